"""What a node does itself comes into the database, and what stands there comes into force here."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from guard.app.abuse import watching, write_bans
from guard.model.bans import NO_BANS, BanId
from guard.model.names import RequestId, UnixMs
from guard.service.watch import Watch
from guard.state.ban_board import BanBoard
from guard.state.ban_table import BanTable
from guard.state.directory import FollowingDirectory
from guard.state.faults import StateError
from guard.state.scores import MemoryScores
from guard.state.sealing import SealingKey
from guard.state.vault import Vault
from guard.telemetry.meter import Meter
from tests.build import NOW, abuse, ban, policies, service, signal
from tests.state.key_records import deed

_POLICIES = policies(service(abuse=abuse({"request.timeout": (signal("slow-clients", points=80),)})))
_PATIENCE_S = 5


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    opened = await Vault.open(f"sqlite:///{tmp_path}/guard.db", SealingKey(bytes(32), Path("sealing.key")))
    yield opened
    await opened.close()


def _watching(vault: Vault, directory: FollowingDirectory) -> AbstractAsyncContextManager[Watch]:
    return watching(vault.bans, directory, lambda: _POLICIES, lambda: NOW, Meter())


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not holds():  # noqa: ASYNC110  # it is the database that is waited for
            await asyncio.sleep(0.01)


async def test_a_ban_is_in_force_here_at_once_and_in_the_database_soon(vault: Vault) -> None:
    directory = FollowingDirectory(vault.keys, lambda: NOW)
    async with _watching(vault, directory) as watch:
        watch.refused("198.51.100.7", "request.timeout", RequestId("req_1"))
        assert set(watch.board.bans.addresses) == {"198.51.100.7"}
        async with asyncio.timeout(_PATIENCE_S):
            while not await vault.bans.all():  # noqa: ASYNC110  # it is the database that is waited for
                await asyncio.sleep(0.01)
    [written] = await vault.bans.all()
    assert (written.name, written.actor, written.revision) == ("198.51.100.7", "gateway", 1)


async def test_what_comes_into_force_is_told_to_the_operator_and_too_much_of_it_as_an_error(vault: Vault) -> None:
    with capture_logs() as logs:
        async with _watching(vault, FollowingDirectory(vault.keys, lambda: NOW)) as watch:
            for last in range(1, 13):
                watch.refused(f"198.51.100.{last}", "request.timeout", RequestId(f"req_{last}"))
    assert [(entry["event"], entry.get("mode")) for entry in logs if entry["log_level"] == "info"] == [
        ("bans.effect", mode) for mode in ["enforce"] * 10 + ["shadow"] * 2
    ]
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["bans.capped"]


async def test_what_was_put_in_force_last_is_written_on_leaving(vault: Vault) -> None:
    async with _watching(vault, FollowingDirectory(vault.keys, lambda: NOW)) as watch:
        watch.refused("198.51.100.7", "request.timeout", RequestId("req_1"))
    assert len(await vault.bans.all()) == 1


async def test_what_was_seen_last_is_counted_on_leaving_where_scores_are_shared(vault: Vault) -> None:
    directory = FollowingDirectory(vault.keys, lambda: NOW)
    at = vault.bans, directory, lambda: _POLICIES, lambda: NOW, Meter()
    async with watching(*at, shared=MemoryScores()) as watch:
        watch.refused("198.51.100.7", "request.timeout", RequestId("req_1"))
    assert len(await vault.bans.all()) == 1


async def test_what_stands_in_the_database_is_in_force_from_the_start_and_after_each_poll(vault: Vault) -> None:
    await vault.bans.write([ban(id=BanId("ban_a"), name="198.51.100.1")], deed("ban"))
    directory = FollowingDirectory(vault.keys, lambda: NOW)
    async with _watching(vault, directory) as watch:
        assert set(watch.board.bans.addresses) == {"198.51.100.1"}
        await vault.bans.write([ban(id=BanId("ban_b"), name="198.51.100.2")], deed("ban"))
        await directory.refresh()
        assert set(watch.board.bans.addresses) == {"198.51.100.1", "198.51.100.2"}


async def test_what_is_over_is_swept_away(vault: Vault) -> None:
    now = [NOW]
    directory = FollowingDirectory(vault.keys, lambda: now[0])
    async with watching(vault.bans, directory, lambda: _POLICIES, lambda: now[0], Meter()) as watch:
        watch.refused("198.51.100.7", "request.timeout", RequestId("req_1"))
        now[0] = UnixMs(NOW + 1_000_000)
        await _until(lambda: watch.board.bans is NO_BANS)


class _Failing(BanTable):
    """A table that cannot be written."""

    def __init__(self) -> None:
        pass

    async def write(self, *_: object) -> tuple[()]:
        raise StateError("the disk is full")


async def test_what_cannot_be_written_is_told_and_kept() -> None:
    board = BanBoard()
    board.put(ban(), NOW)
    with capture_logs() as logs:
        await write_bans(_Failing(), board, NOW)
    assert [entry["event"] for entry in logs] == ["bans.not_written"]
    assert board.pending() == (ban(),)
