"""What a node watches for, put together: scores, the bans in force, and the errands that keep both in step with the
database and with shared state. None of them is on the road of a message.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from guard.model.audit import Deed
from guard.model.bans import Ban
from guard.model.names import UnixMs
from guard.model.policy import PolicySet
from guard.model.rules import Mode
from guard.service.watch import GATEWAY, Watch
from guard.state.ban_board import BanBoard
from guard.state.ban_table import KEPT_MS, BanTable
from guard.state.directory import FollowingDirectory
from guard.state.faults import StateError
from guard.state.protocols import ScoreStore
from guard.state.scores import MemoryScores
from guard.telemetry.meter import Meter

_WRITE_EVERY_S = 0.1
_DRAIN_EVERY_S = 0.05
_LAST_DRAIN_S = 1.0
_SWEEP_EVERY_S = 1.0
_PRUNE_EVERY_S = 3600.0

_log = structlog.get_logger()


@asynccontextmanager
async def watching(
    table: BanTable,
    directory: FollowingDirectory,
    policies: Callable[[], PolicySet],
    now: Callable[[], UnixMs],
    meter: Meter,
    *,
    shared: ScoreStore | None = None,
) -> AsyncIterator[Watch]:
    """Watch for the time of the block. Scores are `shared`, or this process's own."""
    scores = MemoryScores() if shared is None else shared
    waits = shared is not None
    watch = Watch(policies, scores, BanBoard(), now, chance=secrets.randbelow, meter=meter, waits=waits)
    watch.on_effect, watch.on_capped = _tell_effect, _tell_capped
    directory.on_bans = watch.heard
    watch.heard(await table.all())
    errands = [
        _again(_WRITE_EVERY_S, lambda: write_bans(table, watch.board, now())),
        _again(_SWEEP_EVERY_S, lambda: _swept(watch.board, now())),
        _again(_PRUNE_EVERY_S, lambda: table.prune(now())),
    ]
    if waits:
        errands.append(_again(_DRAIN_EVERY_S, watch.drain))
    tasks = [asyncio.create_task(errand, name="watch") for errand in errands]
    try:
        yield watch
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_DRAIN_S):
                await watch.drain()
        await write_bans(table, watch.board, now())


def _tell_effect(ban: Ban) -> None:
    mode = Mode.SHADOW if ban.is_shadow else Mode.ENFORCE
    _log.info("bans.effect", ban=ban.id, action=ban.action.value, mode=mode.value, rule=str(ban.rule))


def _tell_capped(active: int, percent: int) -> None:
    _log.error("bans.capped", active=active, share=f"{percent}%")


async def write_bans(table: BanTable, board: BanBoard, at: UnixMs) -> None:
    """Write what this node has put in force, in one transaction. What cannot be written is tried again."""
    bans = board.pending()
    if not bans:
        return
    try:
        await table.write(bans, Deed(command="ban", actor=GATEWAY, why="abuse", at=at))
    except StateError as error:
        board.failed(bans)
        _log.warning("bans.not_written", bans=len(bans), error=str(error))


async def _swept(board: BanBoard, at: UnixMs) -> None:
    board.sweep(at, KEPT_MS)


async def _again(every_s: float, errand: Callable[[], Awaitable[None]]) -> None:
    """Until cancelled. A database that fails is asked again."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await errand()
        except StateError as error:
            _log.warning("bans.errand_failed", error=str(error))
