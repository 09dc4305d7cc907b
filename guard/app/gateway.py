"""The whole gateway, put together: the only place that constructs what lives long, and the order in which it starts and
stops. Everything below gets what it needs as an argument.
"""

import asyncio
import itertools
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from guard.app.abuse import watching
from guard.app.audit import signing_checkpoints
from guard.app.clock import AnchoredClock
from guard.app.following import Followed, clock_heard, following
from guard.app.honeytokens import honeytoken_alarm
from guard.app.keys import open_vault
from guard.app.onward import Adopt, Outlet, Prepare, open_outlet
from guard.app.overriding import overriding
from guard.app.promotions import watching_promotions
from guard.app.stores import Stores, open_stores, refuse_local_replay
from guard.edges.asgi import Gateway
from guard.edges.body import UnverifiedBudget
from guard.edges.direct import DirectRoad
from guard.edges.exchange import Onward
from guard.edges.forwarded import Backends
from guard.edges.health import Readiness
from guard.edges.http import HttpEdge
from guard.edges.wrapped import App
from guard.model.names import KeyId, RequestId, UnixMs
from guard.model.policy import Service
from guard.model.questions import Unavailable
from guard.service.admins import GATEWAY
from guard.service.aftermath import Aftermath
from guard.service.clock_guard import ClockGuard
from guard.service.dual_control import put_under_dual_control
from guard.service.judge import Judge
from guard.service.key_steps import By
from guard.service.override_board import OverrideBoard
from guard.service.policies import Rulebook, Rules
from guard.service.pressure import Pressure
from guard.service.promotions import Promotions
from guard.service.watch import Watch
from guard.settings import Settings
from guard.state.directory import STALE_AFTER_MS, FollowingDirectory
from guard.state.memory import MemoryLimits
from guard.state.protocols import LimitStore, ScoreStore
from guard.state.vault import Vault
from guard.telemetry.decision_log import DecisionLog, timestamp
from guard.telemetry.meter import Meter

_NOBODY = KeyId("")


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway that is ready to be served: the data plane, its keys, and what it counts.

    Setting `draining` makes it not ready, so that balancers send their clients elsewhere. `prepare` is to be called
    before other rules are put in force.
    """

    gateway: Gateway
    vault: Vault
    directory: FollowingDirectory
    readiness: Callable[[], Readiness]
    meter: Meter
    draining: asyncio.Event
    log: DecisionLog | None
    watch: Watch
    now: Callable[[], UnixMs]
    prepare: Prepare
    rules: Rules


@asynccontextmanager
async def open_gateway(
    settings: Settings, rules: Rules, *, app: App | None = None, buckets_filled_since: UnixMs | None = None
) -> AsyncIterator[Running]:
    """Open the key database, follow it, and join everything; on leaving, finish and close in the opposite order.

    What is let through goes to the policies' backends, or to `app`. Raises StateError, Misplaced or OSError.
    Buckets hold what refill since the start allows, so that a restart grants no free bursts; `buckets_filled_since`
    names an earlier time, for a gateway that nobody could have used before.
    """
    clock = AnchoredClock(time.time_ns, time.monotonic_ns)
    async with AsyncExitStack() as stack:
        vault = await _opened(settings, rules, clock.now, stack)
        pressure, meter = _measured(settings, rules, stack)
        followed = await stack.enter_async_context(following(vault, settings, clock, meter))
        at = settings, vault, clock.now, meter, followed
        limits, scores = await stack.enter_async_context(_stores(*at, rules=rules, filled_since=buckets_filled_since))
        watch = await stack.enter_async_context(_watching(vault, followed, rules, clock, meter, scores=scores))
        log = _decision_log(settings.decision_log, vault.sealing.log_tag_key, stack)
        outlet = _outlet(settings, rules, app, stack)
        board = await stack.enter_async_context(overriding(vault.overrides, followed.directory, rules, clock.now))
        promotions = await stack.enter_async_context(watching_promotions(vault, rules, clock.now, meter))
        http = HttpEdge(
            judge=_judge(
                rules, limits, followed, clock.now, settings=settings, outlet=outlet, load=pressure, watch=watch
            ),
            aftermath=await _aftermath(limits, log, meter, vault, stack=stack, watch=watch, promotions=promotions),
            onward=outlet.onward,
            budget=UnverifiedBudget(settings.body_bytes_unverified_max, settings.body_bytes_unverified_per_address_max),
            body_ms_max=settings.body_ms_max,
            now=clock.now,
            pressure=pressure,
        )
        readiness, draining = _readiness(rules, followed.directory, limits, followed.clocks, now=clock.now, board=board)
        yield Running(
            gateway=Gateway(http, request_ids(), meter.failure, _direct_road(http, limits)),
            vault=vault,
            directory=followed.directory,
            readiness=readiness,
            meter=meter,
            draining=draining,
            log=log,
            watch=watch,
            now=clock.now,
            prepare=_prepare(settings, outlet),
            rules=rules,
        )


def _watching(
    vault: Vault, followed: Followed, rules: Rules, clock: AnchoredClock, meter: Meter, *, scores: ScoreStore | None
) -> AbstractAsyncContextManager[Watch]:
    return watching(vault.bans, followed.directory, lambda: rules.policies, clock.now, meter, shared=scores)


def _outlet(settings: Settings, rules: Rules, app: App | None, stack: AsyncExitStack) -> Outlet:
    """A service whose modes are overridden has the backends of the one that it stands in for."""
    outlet = open_outlet(settings, rules.base, app, stack)
    rules.derive = outlet.stand_in
    return outlet


def _judge(
    rules: Rules,
    limits: LimitStore,
    followed: Followed,
    now: Callable[[], UnixMs],
    *,
    settings: Settings,
    outlet: Outlet,
    load: Pressure,
    watch: Watch,
) -> Judge:
    return Judge(
        *(rules, followed.directory, limits, now),
        strain=_strain(load, outlet.onward),
        obstacle=outlet.onward.obstacle,
        body_ms_max=settings.body_ms_max,
        clock_is_sure=followed.clocks.is_sure,
        board=watch.board,
    )


def _stores(
    settings: Settings,
    vault: Vault,
    now: Callable[[], UnixMs],
    meter: Meter,
    followed: Followed,
    *,
    rules: Rules,
    filled_since: UnixMs | None,
) -> AbstractAsyncContextManager[Stores]:
    heard = clock_heard("redis", followed.clocks, meter)
    return open_stores(
        *(settings, vault.database.file, now, meter),
        processes=followed.processes,
        store_ms_max=rules.policies.store_ms_max,
        filled_since=filled_since,
        clock_heard=heard,
    )


def _prepare(settings: Settings, outlet: Outlet) -> Prepare:
    """What is refused at the start is refused later, too."""

    def prepare(rulebook: Rulebook) -> Adopt:
        refuse_local_replay(settings, rulebook.policies)
        return outlet.prepare(rulebook)

    return prepare


def _direct_road(http: HttpEdge, limits: LimitStore) -> DirectRoad | None:
    """There is one to backends, where limits are this process's memory: that answers without waiting."""
    onward = http.onward
    return DirectRoad(http, onward) if isinstance(onward, Backends) and isinstance(limits, MemoryLimits) else None


def _measured(settings: Settings, rules: Rules, stack: AsyncExitStack) -> tuple[Pressure, Meter]:
    pressure = Pressure(settings.in_flight_max)
    stack.push_async_callback(_stopped, asyncio.create_task(pressure.beating(), name="beat"))
    return pressure, Meter(in_flight=lambda: pressure.in_flight, policy=lambda: rules.policies.digest)


async def _opened(settings: Settings, rules: Rules, now: Callable[[], UnixMs], stack: AsyncExitStack) -> Vault:
    """The database, the end of its audit trail signed, and what the policies say of keys put in."""
    refuse_local_replay(settings, rules.policies)
    vault = await stack.enter_async_context(open_vault(settings))
    await stack.enter_async_context(signing_checkpoints(settings, vault.trail, now))
    await put_under_dual_control(vault, rules.policies.dual_control, By(GATEWAY, "policy"), now())
    return vault


def _strain(pressure: Pressure, onward: Onward) -> Callable[[Service], int]:
    """How strained a service is: by the process as a whole, or by what waits for its own backend."""
    return lambda service: max(pressure.strain(), onward.strain(service))


def _readiness(
    rules: Rules,
    directory: FollowingDirectory,
    limits: LimitStore,
    clocks: ClockGuard,
    *,
    now: Callable[[], UnixMs],
    board: OverrideBoard,
) -> tuple[Callable[[], Readiness], asyncio.Event]:
    draining = asyncio.Event()

    def readiness() -> Readiness:
        waiting_for = _waiting_for(directory, now(), limits.born_at, rules.policies.future_ms_max)
        return Readiness(
            policy=rules.policies.digest,
            reasons=("draining",) if draining.is_set() else (*waiting_for, *clocks.disagreements()),
            degraded=(*_degraded(directory, now()), *board.degraded),
        )

    return readiness, draining


def request_ids() -> Callable[[], RequestId]:
    """Makes request ids that no other gateway makes: 64 random bits, drawn once, and a count."""
    drawn, count = secrets.token_hex(8), itertools.count(1)
    return lambda: RequestId(f"req_{drawn}{next(count):08x}")


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _aftermath(
    limits: LimitStore,
    log: DecisionLog | None,
    meter: Meter,
    vault: Vault,
    *,
    stack: AsyncExitStack,
    watch: Watch,
    promotions: Promotions,
) -> Aftermath:
    key_tag = (log or DecisionLog(lambda _: None, vault.sealing.log_tag_key)).key_tag
    alarm = await stack.enter_async_context(honeytoken_alarm(vault, key_tag))
    record = None if log is None else log.record
    return Aftermath(limits, record, key_tag, timestamp, meter, watch=watch, promotions=promotions, alarm=alarm)


def _decision_log(name: str, tag_key: bytes, stack: AsyncExitStack) -> DecisionLog | None:
    """Where decisions are written: nowhere for `none`, standard output for `-`, else a file that is appended to."""
    if name == "none":
        return None
    if name == "-":
        return DecisionLog(_stdout, tag_key)
    return DecisionLog(stack.enter_context(Path(name).open("ab", buffering=0)).write, tag_key)


def _stdout(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _waiting_for(
    directory: FollowingDirectory, now: UnixMs, born_at: UnixMs | None, future_ms_max: int
) -> tuple[str, ...]:
    reasons = []
    if born_at is None:
        reasons.append("state: the shared state has not answered yet")
    elif now <= born_at + future_ms_max:
        reasons.append("memory: younger than the clock lead that the policies grant")
    if isinstance(directory.find(_NOBODY, now), Unavailable):
        reasons.append("keys: the database has not answered lately")
    return tuple(reasons)


def _degraded(directory: FollowingDirectory, now: UnixMs) -> tuple[str, ...]:
    if directory.is_older_than(STALE_AFTER_MS, now) and not directory.is_older_than(directory.lease_ms, now):
        return ("keys: the database does not answer; keys that are known go on, and changes do not come",)
    return ()
