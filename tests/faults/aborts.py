"""Clients go away by the thousand while Redis is asked for them: nobody is answered with what was meant for another.

What is mixed up would show: somebody new is told to be a replay, a replay passes, or an answer carries another's mark.
"""

from pathlib import Path

import msgspec

from tests.faults.node import ROOT
from tests.faults.scene import PATIENT, fleet, policy
from tests.faults.stores import single
from tests.faults.traffic import ABORTED, traffic
from tests.faults.watching import (
    at_most_once,
    never_new_and_replayed,
    only_answers_of_guard,
    outcomes,
    truly_told,
)
from tests.soak.verdict import Say, Verdict, at_least

NAME = "aborts"
SEEDED = False

_LATE_MS = 20
_SHARE = 0.5


class Size(msgspec.Struct, frozen=True):
    """How many orders are sent."""

    orders: int


FULL = Size(orders=16_000)
SMALL = Size(orders=1500)


def run(size: Size, say: Say, seed: int = 0, tree: Path = ROOT) -> Verdict:
    """Redis answers late enough that most who go away do so before it has."""
    with (
        single(seed) as state,
        fleet(policy(), state_url=state.url, tree=tree, environment=PATIENT) as place,
    ):
        state.proxies[0].delay(0, _LATE_MS)
        orders = [
            place.orders(
                f"left{number}",
                clients=24,
                most=size.orders // 2,
                replayed=0.5,
                aborted=_SHARE,
                abort_ms=2 * _LATE_MS,
                seed=seed,
            )
            for number in range(2)
        ]
        with traffic(*orders) as sending:
            sending.go()
            sendings = sending.finish()
        ledger = place.ledger()
    say(outcomes(sendings))
    aborted = sum(each.reason == ABORTED for each in sendings)
    return Verdict(
        NAME,
        (
            at_least("requests aborted", aborted, size.orders * 5 // 8),
            never_new_and_replayed(sendings),
            at_most_once(ledger),
            *truly_told(ledger, sendings),
            only_answers_of_guard(sendings),
        ),
    )
