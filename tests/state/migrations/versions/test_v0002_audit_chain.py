import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, inspect, text

from guard.signing.audit_chain import Whole, verified
from guard.state import sql_schema
from guard.wire.audit_lines import record_line


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def migrate(connection: Connection, version: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(sql_schema.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def add(connection: Connection, number: int, **changes: Any) -> None:
    row = {"number": number, "revision": number, "at": 7, "actor": "alice", "command": "create", "why": ""}
    row |= {"key_id": f"k{number}", "before": None, "after": json.dumps({"id": f"k{number}"})} | changes
    query = text(
        "insert into audit (number, revision, at, actor, command, why, key_id, before, after) "
        "values (:number, :revision, :at, :actor, :command, :why, :key_id, :before, :after)"
    )
    connection.execute(query, row)


def test_old_rows_become_a_whole_chain_in_their_order(connection: Connection) -> None:
    migrate(connection, "0001")
    for number in range(1, 1203):
        add(connection, number if number < 1000 else number + 5)
    add(connection, 2000, before='{"id": "x"}', why='é\x1b[0m\n"😀', command="suspend", key_id="x")
    migrate(connection, "0002")
    rows = connection.execute(text("select * from audit_records order by number")).mappings().all()
    verdict = verified([record_line(row["document"], row["hash"]) for row in rows], None)
    assert isinstance(verdict, Whole)
    assert verdict.records == 1203
    head = connection.execute(text("select revision, audit_records, audit_hash from head")).one()
    assert tuple(head) == (0, 1203, verdict.hash)
    assert "audit" not in inspect(connection).get_table_names()
    assert (rows[-1]["revision"], rows[-1]["subject_kind"], rows[-1]["subject_id"]) == (2000, "key", "x")
    assert json.loads(rows[-1]["document"]) == {
        "actor": "alice",
        "after": {"id": "k2000"},
        "at_ms": 7,
        "before": {"id": "x"},
        "command": "suspend",
        "from": "",
        "number": 1203,
        "previous": rows[-2]["hash"],
        "revision": 2000,
        "subject": {"id": "x", "kind": "key"},
        "version": 1,
        "why": 'é\x1b[0m\n"😀',
    }


def test_trail_without_rows_begins_at_nothing(connection: Connection) -> None:
    migrate(connection, "0002")
    assert tuple(connection.execute(text("select audit_records, audit_hash from head")).one()) == (0, "0" * 64)
    indexes = {each["name"] for each in inspect(connection).get_indexes("audit_records")}
    assert indexes == {"ix_audit_records_subject_id"}
    assert {each["name"] for each in inspect(connection).get_indexes("audit_checkpoints")} == {
        "ix_audit_checkpoints_count"
    }
