"""Redis is killed, stopped, emptied, full, or read-only while orders come: nobody waits beyond the deadline or gets a
500, nothing is executed without it or again after it, and orders pass soon after it is back (THREATS.md T1 to T4).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import msgspec

from tests.faults.node import ROOT
from tests.faults.scene import Fleet, fleet, policy
from tests.faults.stores import single
from tests.faults.traffic import traffic
from tests.faults.watching import at_most_once, only_answers_of_guard, outcomes, truly_told
from tests.servers.redis import RedisServer
from tests.soak.verdict import Check, Say, Verdict, at_least, at_most, none

NAME = "state-loss"
SEEDED = False

_FUTURE_MS = 500
_NOTICED_MS = 100
_GIVEN_UP_MS = 450
"""Whoever has asked a server that falls silent is refused at the deadline (20 ms), and not when the connection is given
up for lost, after half a second.
"""


class Size(msgspec.Struct, frozen=True):
    """How long each loss lasts (longer than anybody may wait), the longest that anybody waits, and when orders pass
    again. In small a busy machine has some slack.
    """

    lost_s: float
    wait_ms_max: int
    back_s_max: float


FULL = Size(lost_s=10.0, wait_ms_max=1000, back_s_max=2.0 + _FUTURE_MS / 1000)
SMALL = Size(lost_s=1.5, wait_ms_max=1400, back_s_max=3.0 + _FUTURE_MS / 1000)


class Loss(msgspec.Struct, frozen=True):
    """A way to lose Redis. While one that is `total` lasts, no order can be judged."""

    name: str
    last: Callable[[RedisServer], AbstractContextManager[None]]
    total: bool = True


def run(size: Size, say: Say, seed: int = 0, tree: Path = ROOT) -> Verdict:
    """One loss after the other, on the same fleet."""
    checks: list[Check] = []
    with (
        single(seed) as state,
        fleet(policy(past="60s", future=f"{_FUTURE_MS}ms"), state_url=state.url, tree=tree) as place,
    ):
        (redis,) = state.servers
        for loss in _LOSSES:
            checks += _lose(place, redis, loss, size, say)
        checks.append(at_most_once(place.ledger()))
    return Verdict(NAME, tuple(checks))


def _lose(place: Fleet, redis: RedisServer, loss: Loss, size: Size, say: Say) -> list[Check]:
    orders = [place.orders(f"{loss.name}{number}", clients=8, pause_ms=5, replayed=0.3) for number in range(2)]
    with traffic(*orders) as sending:
        sending.go()
        time.sleep(1.0)
        with loss.last(redis):
            lost_ns = time.monotonic_ns()
            time.sleep(size.lost_s)
            ending_ns = time.monotonic_ns()
        back_ns = time.monotonic_ns()
        time.sleep(size.back_s_max + 1.0)
        sendings = sending.stop()
    say(f"{loss.name}: {outcomes(sendings)}")
    during = [
        each for each in sendings if lost_ns + _NOTICED_MS * 1_000_000 < each.begun_ns and each.ended_ns < ending_ns
    ]
    passed = sum(each.status == 200 for each in during)
    served = (each.ended_ns for each in sendings if each.status == 200 and each.begun_ns > back_ns)
    back_s = (next(served, time.monotonic_ns()) - back_ns) / 1e9
    longest_ms = round(max(each.took_ms for each in sendings))
    waited = (each.ended_ns for each in sendings if each.status == 503 and each.begun_ns < lost_ns < each.ended_ns)
    first_ms = round((min(waited, default=lost_ns) - lost_ns) / 1e6)
    return [
        at_most(f"{loss.name}: until those who waited are refused", first_ms, _GIVEN_UP_MS, " ms", timed=True),
        at_most(f"{loss.name}: the longest wait", longest_ms, size.wait_ms_max, " ms"),
        at_most(f"{loss.name}: until orders pass again", round(back_s, 2), size.back_s_max, " s"),
        at_least(f"{loss.name}: asked meanwhile", len(during), 10),
        none(f"{loss.name}: passed meanwhile", passed if loss.total else 0),
        only_answers_of_guard(sendings),
        *truly_told(place.ledger(), sendings),
    ]


@contextmanager
def _killed(redis: RedisServer) -> Iterator[None]:
    redis.kill()
    yield
    redis.restart()


@contextmanager
def _stopped(redis: RedisServer) -> Iterator[None]:
    redis.pause()
    yield
    redis.resume()


@contextmanager
def _emptied(redis: RedisServer) -> Iterator[None]:
    redis.restart(empty=True)
    yield


@contextmanager
def _flushed(redis: RedisServer) -> Iterator[None]:
    redis.ask("FLUSHALL")
    yield


@contextmanager
def _full(redis: RedisServer) -> Iterator[None]:
    """Out of memory, where nothing may be evicted."""
    redis.ask("CONFIG", "SET", "maxmemory", 1)
    yield
    redis.ask("CONFIG", "SET", "maxmemory", 0)


@contextmanager
def _read_only(redis: RedisServer) -> Iterator[None]:
    """A replica, of nobody who is there."""
    redis.ask("REPLICAOF", "127.0.0.1", 1)
    yield
    redis.ask("REPLICAOF", "NO", "ONE")


@contextmanager
def _forgetful(redis: RedisServer) -> Iterator[None]:
    """It knows its keys, and none of the scripts."""
    redis.ask("SCRIPT", "FLUSH")
    redis.ask("FUNCTION", "FLUSH")
    yield


_LOSSES = (
    Loss("killed", _killed),
    Loss("stopped", _stopped),
    Loss("emptied", _emptied, total=False),
    Loss("flushed", _flushed, total=False),
    Loss("full", _full),
    Loss("read-only", _read_only),
    Loss("forgetful", _forgetful, total=False),
)
