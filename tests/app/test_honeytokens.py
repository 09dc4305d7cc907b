"""Whoever uses bait is told nothing, and everybody else is told at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from guard.app.honeytokens import honeytoken_alarm
from guard.app.keys import open_vault
from guard.model.keys import Bounds, KeyState
from guard.model.names import Address, KeyId, RequestId
from guard.service.admins import GATEWAY
from guard.settings import Settings
from guard.state.faults import StateError
from guard.state.vault import Vault
from tests.state.key_records import deed, record

BAIT, CALLER = KeyId("k1"), Address("203.0.113.7")


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    async with open_vault(Settings(home=tmp_path)) as opened:
        await opened.keys.insert([record(BAIT, bounds=Bounds(honeytoken=True))], deed())
        yield opened


async def test_the_first_use_is_logged_and_the_key_reported_compromised_with_where_it_was_used_from(
    vault: Vault,
) -> None:
    with capture_logs() as logs:
        async with honeytoken_alarm(vault, lambda _: "k…1") as alarm:
            alarm(BAIT, CALLER, RequestId("req_1"))
    assert [(log["event"], log["log_level"], log["key"], log["address"]) for log in logs] == [
        ("honeytoken.used", "critical", "k…1", CALLER)
    ]
    found = await vault.keys.find(BAIT)
    assert found is not None
    assert found.state is KeyState.COMPROMISED
    last = (await vault.trail.records())[-1]
    assert (last.actor, last.command, last.why) == (
        GATEWAY,
        "report_compromised",
        "honeytoken used from 203.0.113.7, req_1",
    )


async def test_each_use_is_logged_and_the_key_reported_once(vault: Vault) -> None:
    with capture_logs() as logs:
        for _ in range(2):  # two processes
            async with honeytoken_alarm(vault, str) as alarm:
                alarm(BAIT, CALLER, RequestId("req_1"))
                alarm(BAIT, CALLER, RequestId("req_2"))
    assert [log["event"] for log in logs] == ["honeytoken.used"] * 4
    assert await vault.keys.head() == 2


async def test_a_report_that_the_database_does_not_take_is_made_again_at_the_next_use(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    with capture_logs() as logs:
        async with honeytoken_alarm(vault, str) as alarm:
            with monkeypatch.context() as broken:
                broken.setattr(vault.keys, "change", _fails)
                alarm(BAIT, CALLER, RequestId("req_1"))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            alarm(BAIT, CALLER, RequestId("req_2"))
    assert [log["event"] for log in logs] == ["honeytoken.used", "honeytoken.not_reported", "honeytoken.used"]
    found = await vault.keys.find(BAIT)
    assert found is not None
    assert found.state is KeyState.COMPROMISED


async def _fails(*_: object, **__: object) -> None:
    raise StateError("the disk is full")
