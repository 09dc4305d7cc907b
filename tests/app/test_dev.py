"""Development mode: a key that outlives a restart, and rules that follow the exchange."""

import json
from pathlib import Path

import pytest

from guard.app.dev import DevKey, _before, _held_key, _remembered
from guard.app.keys import open_keyring
from guard.settings import Settings
from tests.app.test_gateway import rules

_KEY = DevKey(id="k_dev", account="demo", scopes=("read",))


async def test_a_first_start_makes_the_key_and_a_second_one_keeps_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    async with open_keyring(settings) as keyring:
        first = await _held_key(keyring, {}, _KEY)
        assert first["id"] == "k_dev"
        assert await _held_key(keyring, first, _KEY) == first
        [view] = await keyring.keys()
        assert view.account == "demo"


async def test_a_secret_that_was_forgotten_gets_a_new_key_beside_the_old_one(tmp_path: Path) -> None:
    async with open_keyring(Settings(home=tmp_path)) as keyring:
        first = await _held_key(keyring, {}, _KEY)
        second = await _held_key(keyring, {}, _KEY)
    assert second["id"] != first["id"]
    assert second["secret"] != first["secret"]


async def test_a_database_that_was_thrown_away_gets_a_new_key(tmp_path: Path) -> None:
    async with open_keyring(Settings(home=tmp_path / "one")) as keyring:
        first = await _held_key(keyring, {}, _KEY)
    async with open_keyring(Settings(home=tmp_path / "two")) as keyring:
        assert (await _held_key(keyring, first, _KEY))["secret"] != first["secret"]


@pytest.mark.parametrize("written", [True, False])
def test_what_an_earlier_start_wrote_is_remembered(tmp_path: Path, *, written: bool) -> None:
    file = tmp_path / "dev.json"
    if written:
        file.write_text(json.dumps({"gateway": "x", "key": {"id": "k"}}))
    assert _remembered(file) == ({"id": "k"} if written else {})


def test_the_rules_follow_the_exchange_to_another_port(tmp_path: Path) -> None:
    moved = _before(rules(tmp_path / "policies").current, "http://127.0.0.1:9999")
    assert [service.upstream.urls for service in moved.policies.services] == [("http://127.0.0.1:9999",)]
