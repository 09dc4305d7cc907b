"""Four processes of a fleet, 64 clients at each of them, and one bucket: it gives out exactly what it has."""

import time
from pathlib import Path

import msgspec

from tests.faults.node import ROOT
from tests.faults.scene import PATIENT, fleet, policy
from tests.faults.traffic import traffic
from tests.faults.watching import Span, admitted, only_answers_of_guard, outcomes, under_demand
from tests.servers.redis import RedisServer
from tests.soak.verdict import Say, Verdict, at_least

NAME = "one-bucket"
SEEDED = False

_RATE, _BURST = 400, 200
_CLIENTS, _PROCESSES = 64, 4


class Size(msgspec.Struct, frozen=True):
    """How long the bucket is asked for more than it has, and what share of its refill must be given out."""

    seconds: float
    share: float


FULL = Size(seconds=30, share=0.99)
SMALL = Size(seconds=5, share=0.9)


def run(size: Size, say: Say, seed: int = 0, tree: Path = ROOT) -> Verdict:
    """Demand from the first moment to the last; the time is that of the store's clock."""
    with (
        RedisServer() as redis,
        fleet(policy(rate=_RATE, burst=_BURST), state_url=redis.url, tree=tree, environment=PATIENT) as place,
    ):
        orders = [
            place.orders(f"demand{number}", clients=_CLIENTS, pause_ms=100, seed=seed) for number in range(_PROCESSES)
        ]
        with traffic(*orders) as sending:
            begun_us = redis.now_us()
            sending.go()
            time.sleep(size.seconds / 10)
            begun_ns = time.monotonic_ns()
            time.sleep(size.seconds)
            calm = Span(begun_ns, time.monotonic_ns())
            sendings = sending.stop()
            seconds = (redis.now_us() - begun_us) / 1e6
        ledger = place.ledger()
    say(outcomes(sendings))
    demanded = sum(calm.begun_ns <= each.begun_ns < calm.ended_ns for each in sendings)
    return Verdict(
        NAME,
        (
            admitted(len(ledger.executed), burst=_BURST, rate=_RATE, seconds=seconds),
            under_demand(ledger, [calm], _RATE, size.share),
            at_least("demand, of what refills", round(demanded / (_RATE * calm.seconds), 2), 1.5, timed=True),
            only_answers_of_guard(sendings),
        ),
    )
