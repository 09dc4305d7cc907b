"""Orders to a backend that closes its idle connections at random: none arrives twice, and almost none is `unknown`.

An idle connection is closed between 1 and 50 ms after its last answer, so that some closes meet an order on its way.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator

import msgspec

from tests.soak.client import Caller
from tests.soak.scene import Scene, scene
from tests.soak.verdict import Check, Say, Verdict, at_least, at_most, none

NAME = "closing_backend"

_CLIENTS = 16
_PAUSE_MS_MAX = 60


class Size(msgspec.Struct, frozen=True):
    """How many orders."""

    orders: int


FULL = Size(orders=100_000)
SMALL = Size(orders=2000)
_UNKNOWN_SHARE_MAX = 0.0001


def run(size: Size, say: Say) -> Verdict:
    """Place them all, then compare with what the backend has."""
    with scene("--close-idle") as place:
        return Verdict(NAME, tuple(asyncio.run(_run(place, size, say))))


async def _run(place: Scene, size: Size, say: Say) -> list[Check]:
    told: dict[int, str] = {}
    numbers = iter(range(size.orders))
    placing = [asyncio.create_task(_place(place, numbers, told, seed)) for seed in range(_CLIENTS)]
    while not all(task.done() for task in placing):
        await asyncio.wait(placing, timeout=10)
        say(f"{len(told)} orders placed")
    for task in placing:
        task.result()
    report = await asyncio.to_thread(place.backend.report)
    fates = Counter(told.values())
    say(f"{dict(fates)}; the backend closed {report.closed_idle} of {report.connections} connections")
    there = report.marks.keys()
    return [
        none("orders that the backend has twice", report.twice),
        at_most("unknown", fates["unknown"], max(size.orders * _UNKNOWN_SHARE_MAX, 1), timed=True),
        none(
            "neither 200 nor told whether it was sent",
            size.orders - sum(fates[one] for one in ("yes", "no", "unknown")),
        ),
        none("sent: no, and at the backend", sum(fate == "no" and str(mark) in there for mark, fate in told.items())),
        none(
            "answered, and not at the backend",
            sum(fate == "yes" and str(mark) not in there for mark, fate in told.items()),
        ),
        at_least("idle connections closed meanwhile", report.closed_idle, size.orders // 200),
    ]


async def _place(place: Scene, numbers: Iterator[int], told: dict[int, str], seed: int) -> None:
    """One client: bursts of orders, and pauses in which its gateway's connections rest."""
    draw = random.Random(seed)  # noqa: S311  # a seed, so that a failure can be repeated
    caller = await Caller.connect(place.gateway.port)
    for number in numbers:
        mark = b"%d" % number
        try:
            answer = await caller.ask(place.signed("POST", "/v1/orders", mark))
        except ConnectionError:
            told[number] = "lost"
            caller = await Caller.connect(place.gateway.port)
            continue
        sent = answer.sent.decode()
        told[number] = (
            sent if answer.body == b"/v1/orders" + mark or answer.status >= 500 else f"another's {answer.body!r}"
        )
        if answer.closes:
            caller.close()
            caller = await Caller.connect(place.gateway.port)
        if draw.random() < 0.2:
            await asyncio.sleep(draw.random() * _PAUSE_MS_MAX / 1000)
    caller.close()
