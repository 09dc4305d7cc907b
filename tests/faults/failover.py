"""A primary that has answered thousands of orders dies just after its replicas were cut off: none of these orders can
be executed again on the replica that takes over, and it takes new ones within three seconds.
"""

import asyncio
import time
from pathlib import Path

import msgspec

from tests.faults.node import ROOT
from tests.faults.scene import PATIENT, Fleet, fleet, policy
from tests.faults.stores import State, database, under_sentinel
from tests.faults.traffic import HOST, Sending, traffic
from tests.faults.watching import at_most_once, only_answers_of_guard, outcomes
from tests.faults.wires import Kind
from tests.servers.redis import in_step
from tests.soak.client import Caller
from tests.soak.verdict import Say, Verdict, at_least, at_most, none
from tests.system.key_holder import signed

NAME = "failover"
SEEDED = False

_REFUSED_S_MAX = 3.0
_CONNECTIONS = 16


class Size(msgspec.Struct, frozen=True):
    """How many times the primary dies, and how many captured orders are replayed in all."""

    failovers: int
    replayed: int


FULL = Size(failovers=10, replayed=10_000)
SMALL = Size(failovers=2, replayed=1000)


def run(size: Size, say: Say, seed: int = 0, tree: Path = ROOT) -> Verdict:
    """One failover after another on the same fleet, while other clients go on."""
    rounds: list[_Round] = []
    with (
        under_sentinel(seed) as state,
        database(seed) as kept,
        fleet(
            policy(past="60s", future="500ms"),
            state_url=state.url,
            database_url=kept.url,
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
            at_least("orders executed before, of those replayed", executed / size.replayed, 0.8),
            at_most("signed orders refused", max(_refused_s(sendings, each) for each in rounds), _REFUSED_S_MAX, " s"),
            only_answers_of_guard(sendings),
        ),
    )


class _Round(msgspec.Struct, frozen=True):
    """One failover."""

    killed_ns: int
    promoted_s: float
    executed: int
    accepted: int


def _fail_over(place: Fleet, state: State, number: int, count: int) -> _Round:
    group = state.sentinels
    assert group is not None
    before = group.primary
    orders = [
        signed(place.keys[index % len(place.keys)], "POST", f"/v1/orders/captured{number}-{index}", host=HOST)
        for index in range(count)
    ]
    copied = count * 9 // 10
    executed = asyncio.run(_ask_all(place, orders[:copied]))
    state.proxy_of(before).pause(kinds=frozenset({Kind.COPIES}))
    executed += asyncio.run(_ask_all(place, orders[copied:]))
    before.kill()
    killed_ns = time.monotonic_ns()
    group.await_failover(before)
    promoted_s = round((time.monotonic_ns() - killed_ns) / 1e9, 2)
    accepted = asyncio.run(_ask_all(place, orders))
    state.heal()
    before.restart()
    before.until(lambda: before.info("replication")["role"] == "slave" and in_step(before), 30)
    return _Round(killed_ns, promoted_s, executed, accepted)


def _refused_s(sendings: list[Sending], failover: _Round) -> float:
    """From the death of the primary to the first order that was executed after it."""
    after = (each.ended_ns for each in sendings if each.status == 200 and each.begun_ns > failover.killed_ns)
    return round((next(after, time.monotonic_ns()) - failover.killed_ns) / 1e9, 2)


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
