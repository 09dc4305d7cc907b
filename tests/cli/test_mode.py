import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from guard.cli.main import app
from tests.policy_text import policy


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GUARD_DATABASE_URL", "GUARD_SEALING_KEY_FILE", "GUARD_ACTOR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "p.yaml").write_text(policy("limits: {weight: {per: [key], rate: 5/s}}"))
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GUARD_POLICIES", str(tmp_path / "p.yaml"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def mode(*words: str) -> Result:
    return CliRunner().invoke(app, ["mode", *words])


def done(*words: str) -> Any:
    result = mode(*words, "--why", "INC-42", "--actor", "alice", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def listed(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(mode("list", "--json", *words).stdout)
    return found


@pytest.mark.parametrize("first", [(), ("set",)])
def test_a_mode_is_overridden_listed_and_lifted(first: tuple[str, ...]) -> None:
    told = done(*first, "limits.weight", "shadow", "--for", "1h", "--service", "exchange")
    [made] = told["overrides"]
    assert (made["rule"], made["mode"], made["service"]) == ("limits.weight", "shadow", "exchange")
    assert (made["until_ms"] - made["since_ms"], made["actor"]) == (3_600_000, "alice")
    assert told["nodes"]["in_force"] is True
    assert listed() == [made]
    [lifted] = done("lift", made["id"])["overrides"]
    assert (listed(), listed("--ended")) == ([], [lifted])


def test_a_person_is_told_what_until_when_and_how_to_end_it() -> None:
    told = mode("limits", "off", "--for", "10m", "--why", "INC-42")
    assert "limits off until" in told.stdout
    assert "guard mode lift mode_" in told.stdout
    assert "INC-42" in mode("list").stdout
    [made] = listed()
    assert f"Lifted {made['id']} (limits off)" in mode("lift", made["id"], "--why", "over").stdout
    assert mode("list").stdout == "No mode is overridden.\n"


@pytest.mark.parametrize(
    "words",
    [
        ("limits.weight", "on", "--for", "1h"),
        ("limits.weight", "shadow", "--for", "soon"),
        ("limits.weight", "shadow"),
        ("limits.weight",),
    ],
)
def test_wrong_arguments_end_with_code_2(words: tuple[str, ...]) -> None:
    assert mode(*words, "--why", "INC-42").exit_code == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("limits.weigth", "shadow", "--for", "1h", "--why", "x"),
            "no rule limits.weigth; there are: limits, limits.weight",
        ),
        (("auth", "shadow", "--for", "1h", "--why", "x"), "auth cannot be overridden"),
        (("limits", "shadow", "--for", "8d", "--why", "x"), "7 days"),
        (("limits", "shadow", "--for", "1h", "--why", ""), "say why"),
        (("lift", "mode_nobodys", "--why", "x"), "no override mode_nobodys"),
    ],
)
def test_what_cannot_be_done_ends_with_code_1_and_changes_nothing(words: tuple[str, ...], sentence: str) -> None:
    result = mode(*words)
    assert (result.exit_code, sentence in result.stderr) == (1, True), result.stderr
    assert listed("--ended") == []


def test_where_the_policies_cannot_be_read_nothing_is_overridden(home: Path) -> None:
    (home / "p.yaml").write_text("version: 1\n")
    assert mode("limits.weight", "shadow", "--for", "1h", "--why", "INC-42").exit_code == 3
    assert listed() == []
