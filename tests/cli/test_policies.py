import asyncio
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from guard.app.keys import open_vault
from guard.cli.main import app
from guard.settings import Settings
from guard.state.policy_history import Contents
from tests.state.key_records import deed


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GUARD_HOME", str(tmp_path))
    return tmp_path


async def _reloaded(home: Path) -> None:
    async with open_vault(Settings(home=home)) as vault:
        before, after = (Contents(name * 7, {"p/a.yaml": f"{name}: 1\n".encode()}) for name in "ab")
        await vault.policies.add(before, after, "weakens 1", deed("reload", "INC-42\x1b[31m"))


def test_versions_are_listed_newest_first_with_who_why_and_what_they_changed(home: Path) -> None:
    assert CliRunner().invoke(app, ["policies", "list"]).stdout == "No policies were reloaded yet.\n"
    asyncio.run(_reloaded(home))
    lines = CliRunner().invoke(app, ["policies", "list"]).stdout.splitlines()
    assert lines[0].split() == ["DIGEST", "SINCE", "BY", "WHY", "CHANGED"]
    assert re.split("  +", lines[1]) == ["bbbbbbb", "2027-01-15T08:00:00Z", "alice", "INC-42�[31m", "weakens 1"]
    assert re.split("  +", lines[2]) == ["aaaaaaa", "2027-01-15T08:00:00Z", "-", "-", "-"]
    told = json.loads(CliRunner().invoke(app, ["policies", "list", "--json"]).stdout)
    assert [each["digest"] for each in told] == ["bbbbbbb", "aaaaaaa"]


def test_the_files_of_a_version_are_shown_as_they_were(home: Path) -> None:
    asyncio.run(_reloaded(home))
    assert CliRunner().invoke(app, ["policies", "show", "aaaaaaa"]).stdout == "# p/a.yaml\na: 1\n\n"
    told = json.loads(CliRunner().invoke(app, ["policies", "show", "bbbbbbb", "--json"]).stdout)
    assert told == {"p/a.yaml": "b: 1\n"}
    unknown = CliRunner().invoke(app, ["policies", "show", "0000000"])
    assert (unknown.exit_code, "no version 0000000" in unknown.stderr) == (2, True)


def test_a_database_that_cannot_be_used_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_DATABASE_URL", "sqlite:////")
    done = CliRunner().invoke(app, ["policies", "list"])
    assert done.exit_code == 1
    assert "database" in done.stderr
