"""The whole gateway, put together: the only place that constructs what lives long, and the order in which it starts and
stops. Everything below gets what it needs as an argument.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import structlog

from guard.app.alone import alone_on
from guard.app.clock import AnchoredClock
from guard.edges.asgi import Gateway
from guard.edges.body import UnverifiedBudget
from guard.edges.health import Health, Readiness
from guard.edges.http import HttpEdge
from guard.model.names import KeyId, RequestId, UnixMs
from guard.model.questions import Unavailable
from guard.service.aftermath import Aftermath
from guard.service.judge import Judge
from guard.service.policies import Rulebook
from guard.settings import Settings
from guard.state.directory import FollowingDirectory
from guard.state.memory import MemoryLimits
from guard.state.sql import KeyDatabase, sealing_key_of
from guard.telemetry.decision_log import DecisionLog, timestamp
from guard.upstream.pool import Pool

FOLLOW_EVERY_MS = 250

_NOBODY = KeyId("")

_log = structlog.get_logger()


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway that is ready to be served: the data plane, the health resources, and its keys.

    Setting `draining` makes it not ready, so that balancers send their clients elsewhere.
    """

    gateway: Gateway
    health: Health
    database: KeyDatabase
    directory: FollowingDirectory
    readiness: Callable[[], Readiness]
    draining: asyncio.Event


@asynccontextmanager
async def open_gateway(
    settings: Settings, rules: Rulebook, *, buckets_filled_since: UnixMs | None = None
) -> AsyncIterator[Running]:
    """Open the key database, follow it, and join everything; on leaving, finish and close in the opposite order.

    Buckets hold what refill since the start allows, so that a restart grants no free bursts; `buckets_filled_since`
    names an earlier time, for a gateway that nobody could have used before.
    """
    clock = AnchoredClock(time.time_ns, time.monotonic_ns)
    async with AsyncExitStack() as stack:
        sealing = sealing_key_of(settings.database, settings.sealing_key)
        database = await KeyDatabase.open(settings.database, sealing)
        stack.push_async_callback(database.close)
        stack.enter_context(alone_on(database.file))
        directory = await _followed(database, clock.now, stack)
        limits = MemoryLimits(clock.now(), filled_since=buckets_filled_since)
        judge = Judge(rules, directory, limits, clock.now)
        log = DecisionLog(_sink(settings.decision_log, stack), sealing.log_tag_key)
        http = HttpEdge(
            judge=judge,
            aftermath=Aftermath(limits, log.record, log.key_tag, timestamp),
            pools=_pools(rules, _monotonic_ms, stack),
            budget=UnverifiedBudget(settings.body_bytes_unverified_max, settings.body_bytes_unverified_per_address_max),
            body_ms_max=settings.body_ms_max,
            now=clock.now,
        )
        ready_at = UnixMs(limits.born_at + rules.policies.future_ms_max)

        draining = asyncio.Event()

        def readiness() -> Readiness:
            waiting_for = _waiting_for(directory, clock.now(), ready_at)
            return Readiness(policy=rules.policies.digest, reasons=("draining",) if draining.is_set() else waiting_for)

        yield Running(
            gateway=Gateway(http, mint_request_id),
            health=Health(readiness),
            database=database,
            directory=directory,
            readiness=readiness,
            draining=draining,
        )


def mint_request_id() -> RequestId:
    """A new request id: 96 random bits."""
    return RequestId("req_" + secrets.token_hex(12))


async def _followed(database: KeyDatabase, now: Callable[[], UnixMs], stack: AsyncExitStack) -> FollowingDirectory:
    directory = FollowingDirectory(
        database, now, on_error=lambda error: _log.error("keys.unreachable", error=str(error))
    )
    await directory.refresh()
    following = asyncio.create_task(directory.follow(FOLLOW_EVERY_MS), name="follow the key database")

    async def stop() -> None:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await directory.close()

    stack.push_async_callback(stop)
    return directory


def _pools(rules: Rulebook, now: Callable[[], int], stack: AsyncExitStack) -> dict[str, Pool]:
    pools = {service.name: Pool(service.upstream, now) for service in rules.policies.services}
    for pool in pools.values():
        stack.push_async_callback(pool.aclose)
    return pools


def _sink(name: str, stack: AsyncExitStack) -> Callable[[bytes], object]:
    """Where decisions are written: standard output for `-`, else a file that is appended to, a line in one write."""
    if name == "-":
        return _stdout
    return stack.enter_context(Path(name).open("ab", buffering=0)).write


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _stdout(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _waiting_for(directory: FollowingDirectory, now: UnixMs, ready_at: UnixMs) -> tuple[str, ...]:
    reasons = []
    if now <= ready_at:
        reasons.append("memory: younger than the clock lead that the policies grant")
    if isinstance(directory.find(_NOBODY, now), Unavailable):
        reasons.append("keys: the database has not answered lately")
    return tuple(reasons)
