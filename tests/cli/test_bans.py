import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from guard.cli.main import app


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GUARD_DATABASE_URL", "GUARD_SEALING_KEY_FILE", "GUARD_ACTOR", "GUARD_POLICIES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bans(*words: str) -> Result:
    return CliRunner().invoke(app, ["bans", *words])


def done(*words: str) -> Any:
    result = bans(*words, "--why", "ticket 4711", "--actor", "alice", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def listed(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(bans("list", "--json", *words).stdout)
    return found


def test_a_ban_is_added_listed_shown_extended_and_lifted() -> None:
    told = done("add", "--ip", "203.0.113.7", "--for", "1h")
    [added] = told["bans"]
    assert (added["name"], added["action"], added["until_ms"] - added["since_ms"]) == ("203.0.113.7", "ban", 3_600_000)
    assert told["nodes"]["in_force"] is True
    assert listed() == [added]
    assert json.loads(bans("show", added["id"], "--json").stdout) == added
    [extended] = done("extend", added["id"], "--for", "3d")["bans"]
    assert extended["until_ms"] > added["until_ms"]
    [lifted] = done("lift", added["id"])["bans"]
    assert lifted["lifted_at_ms"] is not None
    assert (listed(), listed("--ended")) == ([], [lifted])


def test_in_quarantine_and_in_one_service_alone() -> None:
    [added] = done("add", "--ip", "203.0.113.0/24", "--for", "10m", "--quarantine", "--service", "spot")["bans"]
    assert (added["name"], added["action"], added["service"]) == ("203.0.113.0/24", "quarantine", "spot")


def test_a_person_is_told_who_and_whether_it_is_in_force() -> None:
    told = bans("add", "--ip", "203.0.113.7", "--for", "1h", "--why", "ticket 4711")
    assert "ip 203.0.113.7" in told.stdout
    assert "No gateway is running." in told.stdout
    assert "203.0.113.7" in bans("list").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("add", "--for", "1h"),
        ("add", "--for", "1h", "--ip", "203.0.113.7", "--key", "k1"),
        ("add", "--for", "soon", "--ip", "203.0.113.7"),
    ],
)
def test_wrong_arguments_end_with_code_2(words: tuple[str, ...]) -> None:
    assert bans(*words, "--why", "ticket 4711").exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("add", "--for", "1h", "--ip", "nowhere", "--why", "ticket 4711"),
        ("lift", "ban_nobodys", "--why", "ticket 4711"),
        ("extend", "ban_nobodys", "--for", "1h", "--why", "ticket 4711"),
        ("show", "ban_nobodys"),
        ("add", "--for", "1h", "--ip", "203.0.113.7", "--why", ""),
    ],
)
def test_what_cannot_be_done_ends_with_code_1_and_changes_nothing(words: tuple[str, ...]) -> None:
    assert bans(*words).exit_code == 1
    assert listed() == []
