"""A primary that has answered thousands of orders dies just after its replicas were cut off: none of these orders can
be executed again on the replica that takes over, and it takes new ones within three seconds. Reads are limited: what
their bucket gave out while nobody copied it is not given out again.
"""

import asyncio
import itertools
import time
from pathlib import Path

import msgspec

from tests.faults.ledger import Ledger
from tests.faults.node import ROOT
from tests.faults.scene import PATIENT, Fleet, fleet, policy
from tests.faults.stores import State, under_sentinel
from tests.faults.traffic import HOST, Sending, traffic
from tests.faults.watching import admitted, at_most_once, only_answers_of_guard, outcomes
from tests.faults.wires import Kind
from tests.servers.redis import in_step
from tests.soak.client import Caller
from tests.soak.verdict import Check, Say, Verdict, at_least, at_most, none
from tests.system.key_holder import signed

NAME = "failover"
SEEDED = False

_CONNECTIONS = 16
_RATE, _BURST = 100, 600
_LIMIT = f"limits: {{reads: {{per: [account], rate: {_RATE}/s, burst: {_BURST}, routes: ['GET /v1/orders/{{mark}}']}}}}"


class Size(msgspec.Struct, frozen=True):
    """How many times the primary dies, and how many captured orders are replayed in all. Orders are refused no longer
    than `refused_s`: three seconds, and in small what a busy machine adds.
    """

    failovers: int
    replayed: int
    refused_s: float


FULL = Size(failovers=10, replayed=10_000, refused_s=3.0)
SMALL = Size(failovers=2, replayed=1000, refused_s=4.0)


def run(size: Size, say: Say, seed: int = 0, tree: Path = ROOT) -> Verdict:
    """One failover after another on the same fleet, while other clients go on."""
    rounds: list[_Round] = []
    with (
        under_sentinel(seed) as state,
        fleet(
            policy(past="60s", future="500ms", extra=_LIMIT),
            state_url=state.url,
            tree=tree,
            environment=PATIENT,
        ) as place,
        traffic(place.orders("meanwhile", clients=4, pause_ms=5, seed=seed)) as sending,
    ):
        sending.go()
        for number in range(size.failovers):
            rounds.append(_fail_over(place, state, number, size.replayed // size.failovers))
            say(f"failover {number}: {rounds[-1]}")
        sendings = sending.stop()
        ledger = place.ledger()
    say(outcomes(sendings))
    executed = sum(each.executed for each in rounds)
    return Verdict(
        NAME,
        (
            none("captured orders accepted again", sum(each.accepted for each in rounds)),
            at_most_once(ledger),
            *(_reads(ledger, number, each) for number, each in enumerate(rounds)),
            at_least("orders executed before, of those replayed", executed / size.replayed, 0.8),
            at_most("signed orders refused", max(_refused_s(sendings, each) for each in rounds), size.refused_s, " s"),
            only_answers_of_guard(sendings),
        ),
    )


class _Round(msgspec.Struct, frozen=True):
    """One failover."""

    killed_ns: int
    promoted_s: float
    executed: int
    accepted: int
    reading_s: float


def _fail_over(place: Fleet, state: State, number: int, count: int) -> _Round:
    group = state.sentinels
    assert group is not None
    before = group.primary
    orders, copied = _signed(place, "POST", f"captured{number}", count), count * 9 // 10
    executed = asyncio.run(_ask_all(place, orders[:copied]))
    time.sleep(_BURST / _RATE)
    reading = time.monotonic()
    asyncio.run(_ask_all(place, _signed(place, "GET", f"read{number}-before", _BURST // 2)))
    state.proxy_of(before).pause(kinds=frozenset({Kind.COPIES}))
    executed += asyncio.run(_ask_all(place, orders[copied:]))
    asyncio.run(_ask_all(place, _signed(place, "GET", f"read{number}-uncopied", _BURST)))
    before.kill()
    killed_ns = time.monotonic_ns()
    group.await_failover(before)
    promoted_s = round((time.monotonic_ns() - killed_ns) / 1e9, 2)
    accepted = asyncio.run(_ask_all(place, orders))
    _await_service(place, number)
    asyncio.run(_ask_all(place, _signed(place, "GET", f"read{number}-after", _BURST)))
    reading_s = time.monotonic() - reading
    state.heal()
    before.restart()
    before.until(lambda: before.info("replication")["role"] == "slave" and in_step(before), 30)
    return _Round(killed_ns, promoted_s, executed, accepted, reading_s)


def _reads(ledger: Ledger, number: int, failover: _Round) -> Check:
    """From a full bucket to the last read on the primary that took over."""
    reads = sum(each.mark.startswith(f"read{number}-") for each in ledger.executed)
    return admitted(reads, burst=_BURST, rate=_RATE, seconds=failover.reading_s)


def _refused_s(sendings: list[Sending], failover: _Round) -> float:
    """From the death of the primary to the first order that was executed after it."""
    after = (each.ended_ns for each in sendings if each.status == 200 and each.begun_ns > failover.killed_ns)
    return round((next(after, time.monotonic_ns()) - failover.killed_ns) / 1e9, 2)


def _signed(place: Fleet, verb: str, name: str, count: int) -> list[bytes]:
    """Requests of all keys, signed now."""
    keys = place.keys
    return [signed(keys[at % len(keys)], verb, f"/v1/orders/{name}-{at}", host=HOST) for at in range(count)]


def _await_service(place: Fleet, number: int) -> None:
    """Until an order passes on the primary that took over."""
    tried = itertools.count()
    while not asyncio.run(_ask_all(place, _signed(place, "POST", f"tried{number}-{next(tried)}", 1))):
        time.sleep(0.05)


async def _ask_all(place: Fleet, orders: list[bytes]) -> int:
    """How many of them are answered 200, each asked of one node or the other."""
    waiting, accepted = list(orders), 0

    async def client(port: int) -> None:
        nonlocal accepted
        caller = await Caller.connect(port)
        while waiting:
            answer = await caller.ask(waiting.pop())
            accepted += answer.status == 200
        caller.close()

    await asyncio.gather(*(client(place.nodes[number % 2].port) for number in range(_CONNECTIONS)))
    return accepted
