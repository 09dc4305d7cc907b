from pathlib import Path

import pytest

from guard.state.dialect import Dialect
from guard.state.postgres import postgres
from guard.state.sqlite import sqlite


@pytest.mark.parametrize("kind", ["file", "server"])
def test_every_kind_knows_a_snapshot_a_change_and_a_question(kind: str, tmp_path: Path) -> None:
    dialect: Dialect = sqlite(tmp_path / "guard.db") if kind == "file" else postgres("postgresql://u:secret@db/guard")
    assert {*dialect.reading, *dialect.writing, *dialect.asking} <= {
        "guard_writes",
        "isolation_level",
        "postgresql_readonly",
    }
    assert "secret" not in f"{dialect.name} {dialect!r}"
