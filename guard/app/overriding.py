"""The modes that operators have overridden, in force in this process for as long as each lasts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from guard.model.names import UnixMs
from guard.model.overrides import Override
from guard.service.override_board import OverrideBoard
from guard.service.rulebook import Rules
from guard.state.directory import FollowingDirectory
from guard.state.override_table import OverrideTable

_LOOK_EVERY_S: Final = 0.1

_log = structlog.get_logger()


@asynccontextmanager
async def overriding(
    table: OverrideTable, directory: FollowingDirectory, rules: Rules, now: Callable[[], UnixMs]
) -> AsyncIterator[OverrideBoard]:
    """Follow the overrides for the time of the block."""
    board = OverrideBoard(rules, now, _tell)
    directory.on_overrides = board.heard
    board.heard(await table.all())
    task = asyncio.create_task(_looking(board), name="end overrides")
    try:
        yield board
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _looking(board: OverrideBoard) -> None:
    """By the clock that may be slewed, so it is asked again and again and not once for how long to sleep."""
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        if board.in_force:
            board.refresh()


def _tell(in_force: tuple[Override, ...]) -> None:
    _log.warning("modes.overridden", overrides=[f"{each.rule} {each.mode} ({each.id})" for each in in_force])
