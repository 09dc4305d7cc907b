"""`store.on_failure: {limits: local 50%}` on four processes while Redis goes and comes thirty times: what all of them
give out in the outages is at most half of what the bucket would have, however often it flaps.

Cancels are sent only while Redis is gone, so what the ledger has of them was given out without it. Orders are sent only
while it is there; they pass through Redis alone, so whoever has executed one has noticed that it is back.
"""

import time
from pathlib import Path

import msgspec

from tests.faults.node import ROOT
from tests.faults.scene import Fleet, fleet, policy
from tests.faults.stores import single
from tests.faults.traffic import Orders, Sending, traffic
from tests.faults.watching import only_answers_of_guard, outcomes
from tests.soak.verdict import Say, Verdict, at_least, at_most

NAME = "flaps"
SEEDED = False

_RATE, _BURST = 100, 600
_LOCAL = "store: {on_failure: {replay: {default: deny, critical: local}, limits: local 50%}}"


class Size(msgspec.Struct, frozen=True):
    """How often Redis goes, for how long each time, and how many orders pass in between."""

    flaps: int
    gone_s: float
    orders: int


FULL = Size(flaps=30, gone_s=1.0, orders=40)
SMALL = Size(flaps=4, gone_s=0.6, orders=40)


def run(size: Size, say: Say, seed: int = 0, tree: Path = ROOT) -> Verdict:
    """All flaps on one fleet. The bucket is full when the first begins."""
    gone_s, sendings = 0.0, list[Sending]()
    with (
        single(seed) as state,
        fleet(
            policy(rate=_RATE, burst=_BURST, future="1s", extra=_LOCAL),
            state_url=state.url,
            tree=tree,
        ) as place,
    ):
        (proxy,) = state.proxies
        time.sleep(_BURST / _RATE)
        for number in range(size.flaps):
            with traffic(*_cancels(place, number)) as cancels, traffic(*_orders(place, number, size)) as orders:
                begun = time.monotonic()
                proxy.pause()
                cancels.go()
                time.sleep(size.gone_s)
                sendings += cancels.stop()
                proxy.heal()
                gone_s += time.monotonic() - begun
                orders.go()
                orders.finish()
        given = sum(each.mark.startswith("gone") for each in place.ledger().executed)
    say(outcomes(sendings))
    bound = (_BURST + _RATE * gone_s) / 2
    return Verdict(
        NAME,
        (
            at_most(f"executed in {size.flaps} outages of {gone_s:.1f} s in all", given, int(bound)),
            at_least("executed all the same, of that", round(given / bound, 2), 0.1),
            only_answers_of_guard(sendings),
        ),
    )


def _cancels(place: Fleet, number: int) -> tuple[Orders, ...]:
    return tuple(
        place.orders(f"gone{number}-{process}", verb="DELETE", clients=16, pause_ms=10) for process in range(2)
    )


def _orders(place: Fleet, number: int, size: Size) -> tuple[Orders, ...]:
    return (place.orders(f"there{number}", clients=8, pause_ms=50, most=size.orders),)
