"""The same signed bytes reach every worker of every node at the same time, again and again: one of them is admitted."""

from pathlib import Path

import msgspec

from tests.faults.node import ROOT
from tests.faults.scene import PATIENT, fleet, policy
from tests.faults.traffic import traffic
from tests.faults.watching import at_most_once, only_answers_of_guard, outcomes
from tests.servers.redis import RedisServer
from tests.soak.verdict import Check, Say, Verdict

NAME = "one-nonce"
SEEDED = False

_CONNECTIONS_PER_NODE = 3


class Size(msgspec.Struct, frozen=True):
    """How many orders, each sent over three connections to each of two nodes."""

    orders: int


FULL = Size(orders=10_000)
SMALL = Size(orders=1000)


def run(size: Size, say: Say, seed: int = 0, tree: Path = ROOT) -> Verdict:
    """All orders, each everywhere at once."""
    with (
        RedisServer() as redis,
        fleet(policy(), state_url=redis.url, tree=tree, environment=PATIENT) as place,
    ):
        orders = [
            place.orders(f"copied{number}", clients=8, copied=1.0, most=size.orders // 2, seed=seed)
            for number in range(2)
        ]
        everywhere = [msgspec.structs.replace(each, ports=each.ports * _CONNECTIONS_PER_NODE) for each in orders]
        with traffic(*everywhere) as sending:
            sending.go()
            sendings = sending.finish()
        ledger = place.ledger()
    say(outcomes(sendings))
    return Verdict(
        NAME,
        (
            at_most_once(ledger),
            Check(f"orders executed, of {size.orders}", str(len(ledger.times)), len(ledger.times) == size.orders),
            only_answers_of_guard(sendings),
        ),
    )
