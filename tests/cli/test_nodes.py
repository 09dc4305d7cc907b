import asyncio
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from guard.app.keys import open_vault
from guard.cli.key_files import wall_clock
from guard.cli.main import app
from guard.model.names import UnixMs
from guard.settings import Settings
from tests.state.test_nodes import node, silent


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GUARD_HOME", str(tmp_path))
    return tmp_path


async def _serve(home: Path) -> None:
    async with open_vault(Settings(home=home)) as vault:
        now = UnixMs(wall_clock())
        for name in ("n1", "n2", "n3"):
            await vault.nodes.enter(node(name), now)
        await vault.nodes.acknowledge(node("n1"), 7, now, -12)
        await silent(vault, "n2", 12_000)
        await silent(vault, "n3", 90_000)


def test_every_node_is_listed_with_what_it_follows(home: Path) -> None:
    asyncio.run(_serve(home))
    lines = CliRunner().invoke(app, ["nodes"]).stdout.splitlines()
    assert lines[0].split() == ["ID", "HOST", "PID", "LISTEN", "VERSION", "STARTED", "STATE", "REVISION", "CLOCK"]
    assert re.split("  +", lines[1]) == [
        *("n1", "host", "4711", "127.0.0.1:8080", "1.0", "2027-01-15T08:00:00Z"),
        *("alive", "7", "-12 ms"),
    ]
    assert "silent for 12 s" in lines[2]
    assert "gone for 90 s" in lines[3]
    assert lines[4] == "The keys are at revision 0."


def test_programs_get_the_same_as_json(home: Path) -> None:
    asyncio.run(_serve(home))
    first, second, _ = json.loads(CliRunner().invoke(app, ["nodes", "--json"]).stdout)
    assert (first["id"], first["revision"], first["clock_offset_ms"], first["lease_ms"]) == ("n1", 7, -12, 900)
    assert second["silent_ms"] >= 12_000


def test_no_node_is_a_sentence() -> None:
    assert CliRunner().invoke(app, ["nodes"]).stdout == "No gateway serves the keys of this database.\n"


def test_database_that_cannot_be_used_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_DATABASE_URL", "mysql://db/guard")
    result = CliRunner().invoke(app, ["nodes"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "GUARD_DATABASE_URL" in result.stderr
