import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from guard.cli.keys import app

WHY = ("--why", "leak")


@pytest.fixture(autouse=True)
def _keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GUARD_DATABASE_URL", "GUARD_SEALING_KEY_FILE", "GUARD_ACTOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    for number in range(7):
        guard_keys("create", "--account", "acme", "--id", f"k{number}", "--scopes", "read")
    guard_keys("create", "--account", "other", "--id", "o1", "--networks", "203.0.113.0/25", "--scopes", "withdraw")


def guard_keys(*words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(words), input=stdin)


def revoked() -> set[str]:
    listed: list[dict[str, Any]] = json.loads(guard_keys("list", "--json").stdout)
    return {key["id"] for key in listed if key["state"] == "deactivated"}


ACME = {f"k{number}" for number in range(7)}


def test_all_keys_of_an_account_are_revoked_and_the_first_are_named() -> None:
    result = guard_keys("revoke", "--account", "acme", *WHY)
    assert result.exit_code == 0
    assert result.stdout == (
        "Revoked 7 keys of account acme (k0, k1, k2, k3, k4, … and 2 more). No gateway is running.\n"
    )
    assert revoked() == ACME


@pytest.mark.parametrize(
    "choice", [("--network", "203.0.113.0/24"), ("--older-than", "1ms", "--scopes", "withdraw"), ("--account", "other")]
)
def test_programs_are_told_which_keys_were_revoked(choice: tuple[str, ...]) -> None:
    told = json.loads(guard_keys("revoke", *choice, *WHY, "--json").stdout)
    assert (told["count"], told["keys"], told["nodes"]["in_force"]) == (1, ["o1"], True)
    assert revoked() == {"o1"}


def test_a_dry_run_shows_what_would_be_revoked_and_revokes_nothing() -> None:
    result = guard_keys("revoke", "--account", "other", "--dry-run")
    assert result.stdout == "Would revoke 1 key of account other (o1).\n"
    told = json.loads(guard_keys("revoke", "--older-than", "1ms", "--dry-run", "--json").stdout)
    assert (told["dry_run"], told["count"]) == (True, 8)
    assert revoked() == set()


@pytest.mark.parametrize(
    ("said", "yes", "expected"), [("n\n", (), set()), ("y\n", (), ACME), ("n\n", ("--yes",), ACME)]
)
def test_a_terminal_is_asked_unless_it_said_yes(
    monkeypatch: pytest.MonkeyPatch, said: str, yes: tuple[str, ...], expected: set[str]
) -> None:
    monkeypatch.setattr("guard.cli.revoke._is_terminal", lambda: True)
    result = guard_keys("revoke", "--account", "acme", *WHY, *yes, stdin=said)
    assert ("Revoke 7 keys of account acme (k0" in result.stderr) is not bool(yes)
    assert result.exit_code == (0 if expected else 1)
    assert revoked() == expected


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("--account", "nobody", *WHY), 1, "no key that could be revoked is chosen"),
        ((*WHY,), 1, "say which keys"),
        (("--account", "acme"), 1, "say why"),
        (("k1", "--account", "acme", *WHY), 2, "either one ID"),
        (("k1", "--dry-run", *WHY), 2, "either one ID"),
        (("--older-than", "soon", *WHY), 2, "--older-than"),
    ],
)
def test_what_cannot_be_meant_revokes_nothing(words: tuple[str, ...], code: int, sentence: str) -> None:
    result = guard_keys("revoke", *words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert sentence in result.stderr
    assert revoked() == set()
