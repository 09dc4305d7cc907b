"""Serving in one process: gateway and listener opened, the signals of the process obeyed, all stopped in order."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import msgspec
import structlog

from guard.app.gateway import Running, open_gateway
from guard.app.listening import Listener, doorstep_of, listening
from guard.app.node import Node, open_node
from guard.app.notify import READY, STOPPING, notify
from guard.app.reloading import reloading_by
from guard.core.standing import exempt_from_bans
from guard.edges.health import Readiness
from guard.model.abuse import Action, SubjectKind
from guard.model.bans import Ban
from guard.model.decision import DecisionEvent
from guard.model.facts import Transport
from guard.model.halts import Halt, HaltKind
from guard.model.keys import KeyRecord, KeyState
from guard.model.names import AccountId, KeyId
from guard.model.policy import PolicySet
from guard.server import listener
from guard.server.listener import Shared
from guard.server.refusal import Refused
from guard.service.policies import Rulebook, Rules
from guard.service.reloading import Reloading
from guard.settings import Settings
from guard.state.directory import FollowingDirectory
from guard.telemetry.decision_log import timestamp

_READY_POLL_S = 0.02
_GARBAGE = (100_000, 10, 100)

_log = structlog.get_logger()


async def serve(settings: Settings, rulebook: Rulebook) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is in flight and stop."""
    stop, rules = stop_event(), Rules(rulebook)
    async with (
        open_gateway(settings, rules) as running,
        reloading_by(settings, running) as reloading,
        open_node(settings, node_of(running, reloading)),
        open_front(settings, running),
    ):
        await until_ready(running, stop)
        tell_ready(settings, rules.policies.digest)
        with settled():
            await stop.wait()
        running.draining.set()
        tell_draining()


def node_of(running: Running, reloading: Reloading) -> Node:
    """What the servers of a node that is one process need to know."""

    def readiness() -> Readiness:
        found = running.readiness()
        return msgspec.structs.replace(found, degraded=(*found.degraded, *reloading.degraded))

    return Node(readiness=readiness, tally=running.meter.tally, reloading=reloading)


@asynccontextmanager
async def open_front(settings: Settings, running: Running, shared: Shared | None = None) -> AsyncIterator[None]:
    """The data plane's listener, for the time of the block, on its own socket or on a shared one."""
    async with listening(
        running.gateway,
        settings.listen,
        settings.server,
        doorstep=doorstep_of(settings),
        shared=shared,
        direct=running.gateway.direct,
        refused=_recorder(running),
    ) as front:
        _cut_with(front, running)
        yield


def tell_ready(settings: Settings, digest: str) -> None:
    """Say that clients are served from now on: in the log, and to systemd."""
    _log.info("gateway.ready", listen=settings.listen, policies=str(settings.policies), policy=digest)
    notify(READY)


def tell_draining() -> None:
    """Say that what is in flight is being finished, and nothing else: in the log, and to systemd."""
    _log.info("gateway.draining")
    notify(STOPPING)


@contextmanager
def settled() -> Iterator[None]:
    """Garbage is looked for seldom, and not in what lives as long as the process.

    A request leaves no cycles behind. Python looks for some after each 700 objects made, among all that is in flight:
    with a thousand requests waiting for a backend that cost as much as serving them, and with millions of nonces 40 ms
    at a time.
    """
    gc.collect()
    gc.freeze()
    usual = gc.get_threshold()
    gc.set_threshold(*_GARBAGE)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def _recorder(running: Running) -> Callable[[Refused], None]:
    """Counts what the listener refused, and writes it into the decision log, if there is one."""
    log, meter = running.log, running.meter

    def record(refused: Refused) -> None:
        meter.decision("", "", "deny", refused.code, "enforce")
        running.watch.refused(refused.address or "", refused.code, refused.request_id)
        if log is None:
            return
        event = DecisionEvent(
            ts=timestamp(running.now()),
            id=refused.request_id,
            decision="deny",
            reason=refused.code,
            status=refused.status,
            sent=refused.sent.value,
            transport=Transport.HTTP.value,
            ip=refused.address,
            error=f"{refused.stage}: {refused.detail}" if refused.detail else refused.stage.value,
        )
        log.record(event)

    return record


def _cut_with(front: Listener | None, running: Running) -> None:
    """Cut the connections of keys that may no longer be used, or were halted, whatever is under way on them."""
    if not isinstance(front, listener.Listener):
        return
    directory = running.directory
    directory.on_change = lambda changed: front.abort(subjects=_ended(changed))
    directory.on_halt = lambda changed: front.abort(subjects=_halted(changed, directory))
    running.watch.board.on_ban = lambda bans: _cut_banned(front, bans, running)


def _ended(changed: tuple[KeyRecord, ...]) -> frozenset[KeyId]:
    return frozenset(record.id for record in changed if record.state is not KeyState.ACTIVE)


def _cut_banned(front: listener.Listener, bans: tuple[Ban, ...], running: Running) -> None:
    """Once what is being answered has gone out: cut who is banned, but no guests of an address, nor who is exempt."""
    loop, now, directory = asyncio.get_running_loop(), running.now(), running.directory
    for ban in bans:
        if ban.action is not Action.BAN or ban.is_shadow or not ban.is_in_force(now):
            continue
        if ban.kind is SubjectKind.IP:
            exempt = _exempt(ban, running.rules.current.policies)
            loop.call_soon(partial(front.abort_from, ban.name, spared=frozenset(ban.guests), exempt=exempt))
        else:
            loop.call_soon(partial(front.abort, subjects=_banned(ban, directory)))


def _exempt(ban: Ban, policies: PolicySet) -> tuple[str, ...]:
    """The networks in which nobody is cut for what a ladder did to their neighbours."""
    meant = [] if ban.rule is None else [service for service in policies.services if service.name == ban.service]
    return exempt_from_bans(meant[0]) if meant else ()


def _banned(ban: Ban, directory: FollowingDirectory) -> frozenset[KeyId]:
    """The keys of an account, or all that follow from one by rotation."""
    if ban.kind is SubjectKind.ACCOUNT:
        return frozenset(directory.keys_of(AccountId(ban.name)))
    return frozenset(directory.lineage_of(KeyId(ban.name)))


def _halted(changed: tuple[Halt, ...], directory: FollowingDirectory) -> frozenset[KeyId]:
    """The keys that nothing passes for any more, by themselves or with their account."""
    keys: set[KeyId] = set()
    for halt in changed:
        if halt.lifted_at is not None or halt.reads_only or halt.with_cancels:
            continue
        if halt.kind is HaltKind.ACCOUNT:
            keys.update(directory.keys_of(AccountId(halt.name)))
        elif halt.kind is HaltKind.KEY:
            keys.add(KeyId(halt.name))
    return frozenset(keys)


async def until_ready(running: Running, stop: asyncio.Event) -> None:
    """Wait until signed requests can be told from replays, or until asked to stop."""
    while running.readiness().reasons and not stop.is_set():  # noqa: ASYNC110  # it is time that is waited for
        await asyncio.sleep(_READY_POLL_S)


def stop_event() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
