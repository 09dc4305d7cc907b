"""An order that was executed is sent again: to the other node, after its node was started anew, and after the clock of
its node was set a minute back or forth (THREATS.md R3, R4, C3). It is executed once.
"""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.faults.node import ROOT, Node
from tests.faults.scene import Fleet, fleet, policy
from tests.faults.stores import single
from tests.faults.traffic import HOST
from tests.soak.verdict import Check, Say, Verdict
from tests.system.key_holder import signed
from tests.system.raw_http import ask

NAME = "replays"
SEEDED = False

_STEP_MS = 60_000
_NOTICED_S = 1.0


class Size(msgspec.Struct, frozen=True):
    """There is one size only."""


FULL = SMALL = Size()


def run(size: Size, say: Say, seed: int = 0, tree: Path = ROOT) -> Verdict:
    """One order for each of the ways."""
    del size
    with (
        single(seed) as state,
        fleet(policy(past="60s", future="500ms"), state_url=state.url, tree=tree) as place,
    ):
        first, second = place.nodes

        def set_clock(ahead_ms: int) -> None:
            first.set_clock(ahead_ms)
            time.sleep(_NOTICED_S)

        ways: tuple[tuple[str, Node, Callable[[], None]], ...] = (
            ("to the other node", second, lambda: None),
            ("after a restart", first, first.restart),
            ("after a minute forth", first, lambda: set_clock(_STEP_MS)),
            ("after a minute back", first, lambda: set_clock(0)),
            ("after one more minute back", first, lambda: set_clock(-_STEP_MS)),
        )
        checks = tuple(_replayed(place, f"again-{number}", *way) for number, way in enumerate(ways))
    say(", ".join(f"{check.what}: {check.measured}" for check in checks))
    return Verdict(NAME, checks)


def _replayed(place: Fleet, mark: str, what: str, node: Node, between: Callable[[], None]) -> Check:
    """Have an order executed, by the first node that will; do something; send it to this node."""
    order = signed(place.keys[0], "POST", f"/v1/orders/{mark}", host=HOST)
    executed = [ask(each.port, order).status for each in place.nodes]
    between()
    answer = ask(node.port, order)
    times = place.ledger().times[mark]
    held = 200 in executed and answer.status in (401, 503) and times == 1
    return Check(f"refused {what}, and executed once", f"{answer.status}, {times}", held)
