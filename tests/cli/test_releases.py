"""Dual control holds on the command line too: it works on the database itself."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guard.app.keys import open_vault
from guard.cli import keys, releases
from guard.model.names import UnixMs
from guard.service.key_steps import By
from guard.settings import Settings


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database on which a gateway has put `withdraw` under dual control."""
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GUARD_ACTOR", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    async def strict() -> None:
        async with open_vault(Settings()) as vault:
            await vault.releases.set_scopes({"withdraw"}, By("policy").deed("set_dual_control", UnixMs(1)))

    asyncio.run(strict())


def run(*words: str) -> Result:
    app = {"keys": keys.app, "releases": releases.app}[words[0]]
    return CliRunner().invoke(app, list(words[1:]))


def waiting() -> str:
    [release] = json.loads(run("releases", "list", "--json").output)
    return str(release["id"])


def created(actor: str = "alice") -> Result:
    order = ("--account", "acme", "--scopes", "withdraw", "--id", "W-1")
    return run("keys", "create", *order, "--actor", actor)


def state() -> str:
    return str(json.loads(run("keys", "show", "W-1", "--json").output)["state"])


def test_a_new_key_waits_and_says_for_whom() -> None:
    made = created()
    assert made.exit_code == 0
    assert "gs_" in made.stdout
    assert f"guard releases confirm {waiting()}" in made.stderr
    assert state() == "pre-activation"


def test_a_second_actor_confirms_and_the_first_cannot() -> None:
    created()
    release = waiting()
    alone = run("releases", "confirm", release, "--actor", "Alice")
    assert alone.exit_code == 1
    assert "somebody else must confirm it" in alone.output
    assert state() == "pre-activation"
    done = run("releases", "confirm", release, "--actor", "bob")
    assert done.output == f"{release} is confirmed: create of W-1.\n"
    assert state() == "active"
    assert run("releases", "list").output == "Nothing waits for a second person.\n"
    assert release in run("releases", "list", "--all").output


def test_what_is_rejected_is_destroyed() -> None:
    created()
    told = json.loads(run("releases", "reject", waiting(), "--actor", "bob", "--json").output)
    assert (told["state"], state()) == ("rejected", "destroyed")


def test_resuming_rotating_and_importing_wait_too() -> None:
    created()
    run("releases", "confirm", waiting(), "--actor", "bob")
    rotated = run("keys", "rotate", "W-1", "--actor", "alice")
    assert "waits for a second person" in rotated.stderr
    run("releases", "reject", waiting(), "--actor", "bob")
    run("keys", "suspend", "W-1")
    resumed = run("keys", "resume", "W-1", "--actor", "alice")
    assert "W-1 is suspended." in resumed.stdout
    assert "waits for a second person" in resumed.stderr
    run("releases", "reject", waiting(), "--actor", "bob")
    order = ("--id", "I-1", "--account", "acme", "--scopes", "withdraw", "--secret-stdin")
    imported = CliRunner().invoke(keys.app, ["import", *order], input="s" * 32)
    assert "I-1 waits for a second person" in imported.stderr
