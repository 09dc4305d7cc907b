import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guard.cli.admin import app


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GUARD_ACTOR", raising=False)
    monkeypatch.setenv("COLUMNS", "200")


def tokens(*words: str) -> Result:
    return CliRunner().invoke(app, ["tokens", *words])


def test_a_token_is_shown_once() -> None:
    made = tokens("create", "--name", "alice", "--role", "admin")
    assert made.exit_code == 0
    [text] = [line.removeprefix("token  ") for line in made.output.splitlines() if line.startswith("token")]
    assert text.startswith("ga_")
    listed = tokens("list")
    assert "alice" in listed.output
    assert text not in listed.output + tokens("list", "--json").output


def test_a_program_gets_json() -> None:
    made = json.loads(tokens("create", "--name", "ci", "--expires", "90d", "--actor", "bob", "--json").output)
    assert (made["name"], made["role"], made["created_by"]) == ("ci", "viewer", "bob")
    assert made["secret"].startswith("ga_")
    assert made["expires_at_ms"] > made["created_at_ms"]
    [listed] = json.loads(tokens("list", "--json").output)
    assert listed == {name: value for name, value in made.items() if name != "secret"}


def test_a_token_is_revoked_by_its_id() -> None:
    made = json.loads(tokens("create", "--name", "ci", "--json").output)
    assert tokens("revoke", made["id"]).output == f"{made['id']} of ci is revoked.\n"
    assert json.loads(tokens("revoke", made["id"], "--json").output)["revoked_at_ms"] is not None


def test_what_cannot_be_done_is_a_sentence_and_code_1() -> None:
    tokens("create", "--name", "ci")
    for words in (("create", "--name", "ci"), ("revoke", "gt_no"), ("create", "--name", "a b")):
        refused = tokens(*words)
        assert refused.exit_code == 1
        assert "guard: " in refused.output


def test_a_role_that_is_none_is_a_usage_error() -> None:
    assert tokens("create", "--name", "ci", "--role", "root").exit_code == 2
