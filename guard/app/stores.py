"""Where nonces, limits and scores are kept: in this process, or in the Redis that GUARD_STATE_URL names."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import structlog

from guard.app.alone import alone_on
from guard.app.onward import Misplaced
from guard.model.names import UnixMs
from guard.model.policy import PolicySet
from guard.service.endurance import Endurance
from guard.settings import Settings
from guard.state.memory import MemoryLimits
from guard.state.metered import MeteredLimits
from guard.state.protocols import LimitStore, ScoreStore, StoreMeter
from guard.state.redis.limits import open_redis
from guard.state.scores import MemoryScores
from guard.state.share import LocalShare

_log = structlog.get_logger()


class Stores(NamedTuple):
    """What is asked while messages pass. `scores` None: nobody shares them."""

    limits: LimitStore
    scores: ScoreStore | None = None


@asynccontextmanager
async def open_stores(
    settings: Settings,
    database: Path | None,
    now: Callable[[], UnixMs],
    meter: StoreMeter,
    *,
    processes: Callable[[], int],
    store_ms_max: int | None = None,
    filled_since: UnixMs | None = None,
    clock_heard: Callable[[UnixMs, UnixMs, UnixMs], object] = lambda _before, _theirs, _after: None,
) -> AsyncIterator[Stores]:
    """The stores, for the time of the block. Raises StateError if it cannot or must not be used.

    With state in memory this is the only gateway on its key database: a lock on its file says so, or the table of
    nodes (`following.py`). A Redis that does not answer is waited for in the background: until it does for the first
    time, the gateway is not ready. When it is lost later, policies say what follows, and `processes` how many share it.
    It may take as long to answer as the settings say, or less if `store_ms_max` of the policies does.
    `clock_heard` is told each second what time it is there, between two readings of `now`.
    """
    if not settings.shares_state:
        with nullcontext() if database is None else alone_on(database):
            yield Stores(MemoryLimits(now(), filled_since=filled_since))
        return

    def reads_clock() -> Callable[[UnixMs], object]:
        before = now()
        return lambda theirs: clock_heard(before, theirs, now())

    timeout_ms = min(settings.store_ms_max, store_ms_max or settings.store_ms_max)
    store = await open_redis(settings.state_url, timeout_ms=timeout_ms, reads_clock=reads_clock, tell=_teller(meter))
    if store.born_at is not None:
        meter.store_up("redis", up=True)
    limits = Endurance(MeteredLimits(store, meter), LocalShare(now()), processes, heard=meter.store_fallback)
    scores = store.scores(MemoryScores(), heard=lambda: meter.store_fallback("scores"))
    try:
        yield Stores(limits, scores)
        await limits.close()
    finally:
        await store.close()


def refuse_local_replay(settings: Settings, policies: PolicySet) -> None:
    """Raises Misplaced for a rule that lets each process alone say what is fresh, where several may share state."""
    for service in policies.services:
        if settings.shares_state and service.local_replay is not None:
            rule = service.local_replay
            raise Misplaced(
                f"{rule.file}:{rule.line}: `replay: local` lets each process execute a message once while shared state "
                "is lost, and some of these routes do more than read: write deny (P408)"
            )


def _teller(meter: StoreMeter) -> Callable[[str | None], None]:
    """Says whether Redis answers: in the log, and in the metrics."""

    def tell(why: str | None) -> None:
        meter.store_up("redis", up=why is None)
        if why is None:
            _log.info("state.reached")
        else:
            _log.error("state.unreachable", error=why)

    return tell
