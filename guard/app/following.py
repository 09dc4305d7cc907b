"""The key database, followed by this node from before its first request until after its last: who we are, the view of
the keys, and what the operator's log hears of it.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import structlog

from guard import __version__
from guard.app.clock import AnchoredClock
from guard.model.names import UnixMs
from guard.model.nodes import Node, NodeStatus
from guard.service.clock_guard import ClockGuard
from guard.settings import Settings
from guard.state.directory import STALE_AFTER_MS, FollowingDirectory
from guard.state.faults import StateError
from guard.state.nodes import DEAD_AFTER_MS, NodeTable, NotAloneError
from guard.state.protocols import StoreMeter
from guard.state.vault import Vault

FOLLOW_EVERY_MS = 250

_TELL_EVERY_MS = 10_000
_WAIT_FOR_THE_DEAD_S = 6.0
_ASK_AGAIN_S = 0.5
_DATABASE = "database"
_KNOWN_AFTER_MS = 3000
"""Within so long everybody has counted who entered: they look each second."""

_log = structlog.get_logger()


class Followed(msgspec.Struct, frozen=True):
    """What this node knows by the database: the keys, whether its clock is right, how many processes serve."""

    directory: FollowingDirectory
    clocks: ClockGuard
    processes: Callable[[], int]


class Fleet:
    """How many processes serve, as far as this one knows; it began at `started_at`."""

    def __init__(self, started_at: UnixMs) -> None:
        self._known_from = UnixMs(started_at + _KNOWN_AFTER_MS)
        self._count = 0

    def counted(self, nodes: tuple[NodeStatus, ...]) -> None:
        """All that have entered and not left; who was killed counts until it is certainly gone."""
        self._count = sum(node.silent_ms <= DEAD_AFTER_MS for node in nodes)

    def processes(self, now: UnixMs) -> int:
        """0 as long as the others may not know of this one yet: what they share out is shared without it."""
        return 0 if now < self._known_from else self._count


@asynccontextmanager
async def following(
    vault: Vault, settings: Settings, clock: AnchoredClock, meter: StoreMeter
) -> AsyncIterator[Followed]:
    """Follow the keys, and the database's clock, for the time of the block. Raises StateError if that cannot be done,
    or must not: another node serves that this one may not serve beside.
    """
    clocks = ClockGuard(settings.clock_ms_max, clock.drift_ms, clock.catch_up, on_change=_tell_clock)
    fleet = Fleet(clock.now())
    async with _followed(vault, settings, clock.now, meter, clocks=clocks, fleet=fleet) as directory:
        yield Followed(directory, clocks, lambda: fleet.processes(clock.now()))


@asynccontextmanager
async def _followed(
    vault: Vault, settings: Settings, now: Callable[[], UnixMs], meter: StoreMeter, *, clocks: ClockGuard, fleet: Fleet
) -> AsyncIterator[FollowingDirectory]:
    node = node_of(settings, now(), alone=not settings.shares_state and vault.database.file is None)

    async def acknowledge(revision: int) -> None:
        await vault.nodes.acknowledge(node, revision, now(), clocks.offset_ms(_DATABASE))
        fleet.counted(await vault.nodes.all(now()))

    directory = FollowingDirectory(
        vault.keys,
        now,
        lease_ms=node.lease_ms,
        acknowledge=acknowledge,
        on_answer=_answered(clocks, meter),
        on_error=_failed(now, meter),
        on_delay=meter.revocation_delay,
    )
    await vault.keys.warm()
    await _enter(vault.nodes, node, now)
    try:
        await directory.refresh()
        await directory.beat()
        task = asyncio.create_task(directory.follow(FOLLOW_EVERY_MS), name="follow the key database")
        try:
            yield directory
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await directory.close()
    finally:
        await _leave(vault.nodes, node)


def node_of(settings: Settings, started_at: UnixMs, *, alone: bool) -> Node:
    """Who this process is among the nodes of its database."""
    return Node(
        id=secrets.token_hex(8),
        host=socket.gethostname(),
        listen=settings.listen,
        pid=os.getpid(),
        version=__version__,
        lease_ms=max(STALE_AFTER_MS, settings.keys_served_ms),
        alone=alone,
        started_at=started_at,
    )


async def _enter(nodes: NodeTable, node: Node, now: Callable[[], UnixMs]) -> None:
    """Enter; if another node stands in the way, wait until it is clear that it was not just killed."""
    deadline = asyncio.get_running_loop().time() + _WAIT_FOR_THE_DEAD_S
    while True:
        try:
            await nodes.enter(node, now())
        except NotAloneError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(_ASK_AGAIN_S)
        else:
            return


async def _leave(nodes: NodeTable, node: Node) -> None:
    try:
        await nodes.leave(node)
    except StateError as error:
        _log.warning("keys.not_left", error=str(error))


def _answered(clocks: ClockGuard, meter: StoreMeter) -> Callable[[UnixMs, UnixMs | None, UnixMs], None]:
    heard = clock_heard(_DATABASE, clocks, meter)

    def answered(before: UnixMs, theirs: UnixMs | None, after: UnixMs) -> None:
        heard(before, theirs, after)
        meter.store_up(_DATABASE, up=True)

    return answered


def clock_heard(clock: str, clocks: ClockGuard, meter: StoreMeter) -> Callable[[UnixMs, UnixMs | None, UnixMs], None]:
    """Hands each reading of a shared clock to the guard, and what it comes to to the metrics."""

    def heard(before: UnixMs, theirs: UnixMs | None, after: UnixMs) -> None:
        clocks.heard(clock, before, theirs, after)
        offset_ms = clocks.offset_ms(clock)
        if offset_ms is not None:
            meter.clock_skew(clock, offset_ms)

    return heard


def _failed(now: Callable[[], UnixMs], meter: StoreMeter) -> Callable[[StateError], None]:
    """Tells the log that the database fails, at once and then every ten seconds: it is asked four times a second."""
    told_at = UnixMs(0)

    def tell(error: StateError) -> None:
        nonlocal told_at
        meter.store_up(_DATABASE, up=False)
        if now() - told_at >= _TELL_EVERY_MS:
            told_at = now()
            _log.error("keys.unreachable", error=str(error))

    return tell


def _tell_clock(sure: bool, why: tuple[str, ...]) -> None:  # noqa: FBT001  # the signature of a callback
    if sure:
        _log.info("clock.sure")
    else:
        _log.error("clock.unsure", why=why)
