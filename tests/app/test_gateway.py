"""The gateway put together on a fresh home, and taken apart again."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from guard.app.gateway import open_gateway, request_ids
from guard.app.keys import open_keyring
from guard.service.key_orders import KeyOrder
from guard.service.keyring import By
from guard.service.policies import Rulebook, Rules, read_rulebook
from guard.settings import Settings
from guard.state.faults import StateError
from tests.build import facts
from tests.edges.gateway import scope

POLICY = """
version: 1
service: exchange
upstream: http://127.0.0.1:9
auth: {scheme: guard-v1}
routes:
  GET /v1/{rest...}: {scope: read}
"""


def rules(folder: Path) -> Rules:
    """The smallest useful rules."""
    folder.mkdir(exist_ok=True)
    (folder / "exchange.yaml").write_text(POLICY)
    found = read_rulebook(folder)
    assert isinstance(found, Rulebook)
    return Rules(found)


def _settings(home: Path) -> Settings:
    return Settings(home=home, decision_log=str(home / "decisions.jsonl"))


async def _status(app: Any, arriving: dict[str, Any]) -> int:
    told: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            told.append(message["status"])

    await app(arriving, receive, send)
    return told[0]


async def test_a_fresh_home_gets_its_database_sealing_key_and_decision_log(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with open_gateway(_settings(home), rules(tmp_path / "policies")) as running:
        assert await _status(running.gateway, scope(facts("GET", b"/v1/x"))) == 401
        refused = ("guard_decisions_total", "exchange", "GET /v1/{rest...}", "deny", "auth.missing", "enforce")
        assert running.meter.tally().counts[refused] == 1
    assert (home / "sealing.key").stat().st_mode & 0o077 == 0
    assert (home / "guard.db").exists()
    [line] = (home / "decisions.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"] == "auth.missing"


async def test_a_young_memory_is_not_ready_and_says_so(tmp_path: Path) -> None:
    async with open_gateway(_settings(tmp_path / "home"), rules(tmp_path / "policies")) as running:
        readiness = running.readiness()
        assert [reason.split(":")[0] for reason in readiness.reasons] == ["memory"]


async def test_a_gateway_that_drains_is_not_ready(tmp_path: Path) -> None:
    async with open_gateway(_settings(tmp_path / "home"), rules(tmp_path / "policies")) as running:
        running.draining.set()
        assert running.readiness().reasons == ("draining",)


async def test_a_key_that_is_made_beside_a_running_gateway_is_followed(tmp_path: Path) -> None:
    settings = _settings(tmp_path / "home")
    async with open_gateway(settings, rules(tmp_path / "policies")) as running:
        before = running.directory.revision
        async with open_keyring(settings) as keyring:
            await keyring.create(KeyOrder(account="acme", scopes=("read",)), By("test"))
        await running.directory.refresh()
        assert running.directory.revision == before + 1


async def test_a_second_gateway_on_the_same_home_is_refused(tmp_path: Path) -> None:
    settings, book = _settings(tmp_path / "home"), rules(tmp_path / "policies")
    async with open_gateway(settings, book):
        with pytest.raises(StateError, match="belongs to one process"):
            async with open_gateway(settings, book):
                pass


async def test_a_database_without_its_sealing_key_is_refused(tmp_path: Path) -> None:
    settings = _settings(tmp_path / "home")
    async with open_keyring(settings) as keyring:
        await keyring.create(KeyOrder(account="acme"), By("test"))
    settings.sealing_key.unlink()
    with pytest.raises(StateError, match="sealing key"):
        async with open_gateway(settings, rules(tmp_path / "policies")):
            pass


def test_request_ids_do_not_repeat() -> None:
    mint, other = request_ids(), request_ids()
    assert len({mint() for _ in range(1000)} | {other() for _ in range(1000)}) == 2000
    assert re.fullmatch("req_[0-9a-f]{24}", mint())
