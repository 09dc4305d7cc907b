"""The fault run: two nodes of two workers, their clocks two seconds ahead and two seconds behind, one account that asks
for more than its bucket gives out, orders sent again by chance, and one trouble after another with calm in between.

A seed says where the state is (one Redis, Sentinel, Cluster), which troubles come, and how bad they are; the trouble of
that place (emptied, failed over, a slot that moves) is always among them.
"""

import random
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec

from tests.faults import trouble
from tests.faults.node import ROOT
from tests.faults.scene import PATIENT, Fleet, fleet, policy
from tests.faults.stores import State, Topology, database, in_cluster, single, under_sentinel
from tests.faults.traffic import Sending, traffic
from tests.faults.trouble import Trouble, Victims
from tests.faults.watching import (
    Span,
    admitted,
    at_most_once,
    never_beyond,
    only_answers_of_guard,
    outcomes,
    truly_told,
    under_demand,
)
from tests.soak.verdict import Check, Say, Verdict, at_least, none

NAME = "storm"
SEEDED = True

_RATE, _BURST = 200, 100
_PROCESSES, _CLIENTS = 2, 12
_CLOCKS_MS = (2000, -2000)
_RECOVERY_S = 30.0
_PLACES: tuple[tuple[Topology, Trouble], ...] = (
    (single, trouble.redis_is_emptied),
    (under_sentinel, trouble.the_primary_is_replaced),
    (in_cluster, trouble.slots_move),
)


class Size(msgspec.Struct, frozen=True):
    """How many troubles, how long the longest, how long the calm after each, and what share must be given out then."""

    troubles: int
    trouble_s: float
    calm_s: float
    share: float


FULL = Size(troubles=8, trouble_s=1.5, calm_s=1.5, share=0.99)
SMALL = Size(troubles=4, trouble_s=0.8, calm_s=1.0, share=0.9)


def run(size: Size, say: Say, seed: int = 0, tree: Path = ROOT) -> Verdict:
    """One storm."""
    draw = random.Random(seed)  # noqa: S311  # a seed, so that a failure can be repeated
    topology, own = _PLACES[seed % len(_PLACES)]
    say(f"seed {seed}: {topology.__name__}")
    with ExitStack() as stack:
        state = stack.enter_context(topology(seed))
        kept = stack.enter_context(database(seed))
        place = stack.enter_context(
            fleet(
                policy(rate=_RATE, burst=_BURST, future="2500ms"),
                clocks_ms=_CLOCKS_MS,
                state_url=state.url,
                database_url=kept.url,
                admin_url=kept.server.url,
                tree=tree,
                environment=PATIENT,
            )
        )
        storm = _Storm(place, Victims(place, state, kept, draw), size, say)
        chosen = [own, *(draw.choice((*trouble.ANYWHERE, own)) for _ in range(size.troubles - 1))]
        draw.shuffle(chosen)
        return Verdict(f"{NAME} {seed}", tuple(storm.run(chosen)))


class _Storm:
    """One storm: its calms, and how long each recovery took."""

    def __init__(self, place: Fleet, victims: Victims, size: Size, say: Say) -> None:
        self._place = place
        self._size = size
        self._victims = victims
        self._say = say
        self._calm: list[Span] = []
        self._recovered_s: list[float] = []

    def run(self, troubles: list[Trouble]) -> list[Check]:
        place = self._place
        demand = [
            place.orders(f"demand{number}", clients=_CLIENTS, pause_ms=15, copied=0.05, replayed=0.1, seed=number)
            for number in range(_PROCESSES)
        ]
        with traffic(*demand) as sending:
            begun_s = _store_s(self._victims.state)
            sending.go()
            self._rest()
            for each in troubles:
                lasts_s = self._victims.draw.uniform(self._size.trouble_s / 4, self._size.trouble_s)
                self._say(f"{each.__name__} for {lasts_s:.2f} s")
                with each(self._victims):
                    time.sleep(lasts_s)
                self._rest()
            sendings = sending.stop()
            seconds = _store_s(self._victims.state) - begun_s
        return self._checks(sendings, seconds)

    def _rest(self) -> None:
        """Wait until orders are executed again, then let it be calm for a while."""
        if self._victims.state.sentinels is not None:
            self._victims.state.sentinels.await_rest()
        begun = time.monotonic()
        served = self._place.backend.count()
        self._wait_for(served + _BURST // 10)
        self._recovered_s.append(time.monotonic() - begun)
        self._wait_for(served + 2 * _BURST)  # what had gathered in the bucket meanwhile is no demand's merit
        begun_ns = time.monotonic_ns()
        time.sleep(self._size.calm_s)
        self._calm.append(Span(begun_ns, time.monotonic_ns()))

    def _wait_for(self, count: int) -> None:
        """Until so many orders were executed, or none seems to be."""
        end = time.monotonic() + _RECOVERY_S
        while self._place.backend.count() < count and time.monotonic() < end:
            time.sleep(0.05)

    def _checks(self, sendings: list[Sending], seconds: float) -> list[Check]:
        self._say(outcomes(sendings))
        self._say(f"recovered after {', '.join(f'{each:.2f}' for each in self._recovered_s)} s")
        ledger = self._place.ledger()
        return [
            at_most_once(ledger),
            *truly_told(ledger, sendings),
            only_answers_of_guard(sendings),
            admitted(len(ledger.executed), burst=_BURST, rate=_RATE, seconds=seconds),
            never_beyond(ledger, burst=_BURST, rate=_RATE, under_way=_PROCESSES * _CLIENTS),
            under_demand(ledger, self._calm, _RATE, self._size.share),
            none("recoveries that never came", sum(each >= _RECOVERY_S for each in self._recovered_s)),
            at_least("orders executed", len(ledger.executed), _BURST),
        ]


def _store_s(state: State) -> float:
    """The time on the store's clock. All servers of a machine have one, so any that answers will do."""
    return next(server for server in state.servers if server.answers()).now_us() / 1e6
