import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guard.cli.keys import app


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GUARD_DATABASE_URL", "GUARD_SEALING_KEY_FILE", "GUARD_ACTOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def guard_keys(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def done(*words: str) -> str:
    result = guard_keys(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_two_steps_replace_the_key_and_say_what_comes_next(home: Path) -> None:
    done("create", "--account", "acme", "--id", "k1")
    assert "guard keys reseal --retire-old" in done("reseal", "--why", "yearly")
    assert (home / "sealing.key").read_text().count("seals ") == 2
    assert done("reseal", "--retire-old").startswith("No longer in the sealing key file: ")
    assert (home / "sealing.key").read_text().count("seals ") == 1
    assert (home / "sealing.key").stat().st_mode & 0o077 == 0
    assert done("reseal", "--retire-old") == "There is no old key to retire.\n"
    assert "k1" in done("list")


def test_key_that_is_only_added_is_told_by_its_id() -> None:
    done("create", "--account", "acme")
    added = json.loads(done("reseal", "--add-only", "--json"))["added"]
    assert added in done("reseal", "--add-only")
    assert json.loads(done("reseal", "--json")) == {"resealed": 1, "seals": added}
    assert len(json.loads(done("reseal", "--retire-old", "--json"))["retired"]) == 1


def test_one_step_at_a_time() -> None:
    assert guard_keys("reseal", "--add-only", "--retire-old").exit_code == 2


def test_refusal_is_one_sentence(home: Path) -> None:
    done("create", "--account", "acme")
    (home / "sealing.key").chmod(0o644)
    result = guard_keys("reseal")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "can be read by others" in result.stderr


def test_help_begins_with_three_examples() -> None:
    usage, _, *examples = guard_keys("reseal", "--help").output.splitlines()
    assert usage.startswith("Usage: ")
    assert [line.startswith("  guard keys reseal") for line in examples[:4]] == [True, True, True, False]
