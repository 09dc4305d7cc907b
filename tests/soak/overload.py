"""Three times what the gateway can serve, from clients that do not wait for each other: what is served stays near the
peak, and cancels (`priority: critical`) are served all the same.

The peak is measured by clients that do wait: of the mix first, to know what to offer, then of the kinds that were
served, which are the dearer ones. The gateway has one core to itself; clients and backend the other.
"""

import asyncio
import os
import random
import statistics
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum

import msgspec
import uvloop

from tests.soak.client import Answer, Caller
from tests.soak.scene import Scene, opened, scene
from tests.soak.verdict import Check, Say, Verdict, at_least, none
from tests.soak.watched import Watched

NAME = "overload"

_TICK_S = 0.002
_PATIENCE_S = 10.0
_WARM_S = 1.0
_CLIENTS_AT_PEAK = 64
_PEAKS = 3


class Size(msgspec.Struct, frozen=True):
    """How long each part takes, what is offered (times the peak), and how many connections each class has."""

    peak_s: float
    overload_s: float
    times: float
    connections: int
    pins: bool = True


FULL = Size(peak_s=5.0, overload_s=20.0, times=3.0, connections=400)
SMALL = Size(peak_s=0.5, overload_s=1.0, times=2.0, connections=20, pins=False)


class Class(StrEnum):
    """What kind of request it is."""

    ANONYMOUS = "anonymous"
    READ = "read"
    ORDER = "order"
    CANCEL = "cancel"


_NO_ANSWER, _NOBODY_FREE = 0, -1
_EXPECTED = (200, 503, _NOBODY_FREE)
_MIX = {Class.ANONYMOUS: 35, Class.READ: 35, Class.ORDER: 25, Class.CANCEL: 5}


def run(size: Size, say: Say) -> Verdict:
    """Find the peak, then offer more."""
    with (
        scene() as place,
        _pinned(place, pins=size.pins),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return Verdict(NAME, tuple(runner.run(_run(place, size, say))))


async def _run(place: Scene, size: Size, say: Say) -> list[Check]:
    watched, backend = Watched(place.gateway.pid), Watched(place.backend.pid)
    draw = Draw(place)
    await _peak(place, draw, _WARM_S)
    begun, cpu_s = time.monotonic(), watched.cpu_s
    peak = max([await _peak(place, draw, size.peak_s) for _ in range(_PEAKS)])
    busy = round((watched.cpu_s - cpu_s) / (time.monotonic() - begun), 2)
    say(f"peak {peak:.0f}/s, the gateway's core {busy:.0%} busy")
    crowd = Crowd(place.gateway.port, draw, size.connections)
    await crowd.connect()
    rate = peak * size.times
    gateway_s, backend_s, own_s = watched.cpu_s, backend.cpu_s, time.process_time()
    taken_s = await crowd.offer(rate, size.overload_s)
    shares = (watched.cpu_s - gateway_s, backend.cpu_s - backend_s, time.process_time() - own_s)
    say("gateway {:.0%}, backend {:.0%}, clients {:.0%} of a core".format(*(spent_s / taken_s for spent_s in shares)))
    await crowd.close()
    served_of = {one: crowd.told[one][200] for one in Class}
    served = sum(served_of.values())
    of_that = max([await _peak(place, Draw(place, served_of), size.peak_s) for _ in range(_PEAKS)])
    say(f"served {served / taken_s:.0f}/s; of the same kinds at most {of_that:.0f}/s, of the mix {peak:.0f}/s")
    for one in Class:
        told, late_ms = crowd.told[one], sorted(crowd.late_ms[one]) or [0.0]
        quantiles = f"p50 {statistics.median(late_ms):.0f} ms, p99 {late_ms[len(late_ms) * 99 // 100]:.0f} ms"
        say(f"{one}: offered {crowd.offered[one]}, told {dict(told)}, {quantiles}")
    strange = sum(count for one in Class for status, count in crowd.told[one].items() if status not in _EXPECTED)
    cancels = crowd.offered[Class.CANCEL]
    asked = cancels - crowd.told[Class.CANCEL][_NOBODY_FREE]
    return [
        at_least("the gateway's core busy at the peak (else it was not the peak)", busy, 0.8, timed=True),
        at_least(
            "offered, of what was to be offered", _share(sum(crowd.offered.values()), rate * taken_s), 0.95, timed=True
        ),
        at_least("goodput, of the peak of what was served", _share(served / taken_s, of_that), 0.8, timed=True),
        at_least("cancels answered 2xx, of those asked", _share(served_of[Class.CANCEL], asked), 0.999, timed=True),
        at_least("cancels asked, of those to be asked", _share(asked, cancels), 0.99, timed=True),
        none("asked, and neither 200 nor 503", strange),
        at_least("answers in all", sum(crowd.told[one].total() for one in Class), 100),
    ]


class Draw:
    """Requests of the mix, signed when they are drawn."""

    def __init__(self, place: Scene, mix: Mapping[Class, int] = _MIX) -> None:
        self._kinds = (tuple(mix), tuple(mix.values()))
        self._random = random.Random(5)  # noqa: S311  # a seed, so that a failure can be repeated
        self._number = 0
        self.anonymous = opened("GET", "/open/time")
        self._signed = place.signed

    def kind(self) -> Class:
        """What kind of request comes next."""
        return self._random.choices(*self._kinds)[0]

    def request(self, one: Class) -> bytes:
        """A request of that kind."""
        self._number += 1
        match one:
            case Class.ANONYMOUS:
                return self.anonymous
            case Class.READ:
                return self._signed("GET", f"/v1/orders/{self._number}")
            case Class.ORDER:
                return self._signed("POST", "/v1/orders", b'{"qty":%d}' % self._number)
            case _:
                return self._signed("DELETE", f"/v1/orders/{self._number}")


async def _peak(place: Scene, draw: Draw, seconds: float) -> float:
    """2xx a second, asked by clients each of which waits for its answer."""
    statuses: Counter[int] = Counter()
    begun = time.monotonic()

    async def ask() -> None:
        caller = await Caller.connect(place.gateway.port)
        while time.monotonic() < begun + seconds:
            answer = await caller.ask(draw.request(draw.kind()))
            statuses[answer.status] += 1
            if answer.closes:
                caller.close()
                caller = await Caller.connect(place.gateway.port)
        caller.close()

    await asyncio.gather(*(ask() for _ in range(_CLIENTS_AT_PEAK)))
    return statuses[200] / (time.monotonic() - begun)


class Crowd:
    """Clients that ask at a given rate, whatever becomes of what they asked before. Each class has its connections.

    `told` has the statuses; 0 stands for no answer, -1 for a client all of whose connections were busy.
    """

    def __init__(self, port: int, draw: Draw, connections: int) -> None:
        self._port = port
        self._draw = draw
        self._connections = connections
        self._joined: list[Caller] = []
        self._free: dict[Class, deque[Caller]] = {one: deque() for one in Class}
        self._busy: set[asyncio.Future[Answer]] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self.offered: Counter[Class] = Counter()
        self.told: dict[Class, Counter[int]] = {one: Counter() for one in Class}
        self.late_ms: dict[Class, list[float]] = {one: [] for one in Class}

    async def connect(self) -> None:
        """Every class gets its connections. Each asks once, so that all of them have been accepted."""
        for one in Class:
            for _ in range(self._connections):
                await self._join(one)
            for caller in self._free[one]:
                await caller.ask(self._draw.anonymous)

    async def offer(self, rate: float, seconds: float) -> float:
        """Ask, then wait for what is still to be answered. How long the asking took."""
        begun = time.monotonic()
        offered = 0
        while (spent := time.monotonic() - begun) < seconds:
            due = int(spent * rate)
            for _ in range(due - offered):
                self._ask(self._draw.kind())
            offered = due
            await asyncio.sleep(_TICK_S)
        if self._busy:
            await asyncio.wait(self._busy, timeout=_PATIENCE_S)
        return spent

    async def close(self) -> None:
        """Let go of everybody, also of those who still wait."""
        for asked in tuple(self._busy):
            asked.cancel()
        await asyncio.sleep(0)
        await asyncio.gather(*self._connecting)
        for caller in self._joined:
            caller.close()
        await asyncio.sleep(0)

    def _ask(self, one: Class) -> None:
        self.offered[one] += 1
        free = self._free[one]
        if not free:
            self.told[one][_NOBODY_FREE] += 1
            return
        caller = free.popleft()
        asked = caller.asked(self._draw.request(one))
        self._busy.add(asked)
        asked.add_done_callback(self._answered(one, caller, time.monotonic()))

    def _answered(self, one: Class, caller: Caller, begun: float) -> Callable[[asyncio.Future[Answer]], None]:
        def answered(asked: asyncio.Future[Answer]) -> None:
            self._busy.discard(asked)
            if asked.cancelled() or asked.exception() is not None:
                self.told[one][_NO_ANSWER] += 1
                self._replace(one, caller)
                return
            answer = asked.result()
            self.told[one][answer.status] += 1
            if answer.status == 200:
                self.late_ms[one].append((time.monotonic() - begun) * 1000)
            if answer.closes:
                self._replace(one, caller)
            else:
                self._free[one].append(caller)

        return answered

    def _replace(self, one: Class, caller: Caller) -> None:
        caller.close()
        joining = asyncio.get_running_loop().create_task(self._join(one))
        self._connecting.add(joining)
        joining.add_done_callback(self._connecting.discard)

    async def _join(self, one: Class) -> None:
        try:
            number = len(self._joined)
            caller = await Caller.connect(self._port, f"127.1.{number // 100 % 100}.{1 + number % 100}")
        except OSError:
            self.told[one][_NO_ANSWER] += 1
        else:
            self._joined.append(caller)
            self._free[one].append(caller)


@contextmanager
def _pinned(place: Scene, *, pins: bool) -> Iterator[None]:
    """The gateway on one core, everything else on the others, for the time of the block; nothing on a single core."""
    cores = sorted(os.sched_getaffinity(0))
    if not pins or len(cores) == 1:
        yield
        return
    os.sched_setaffinity(place.gateway.pid, cores[:1])
    for pid in (0, place.backend.pid):
        os.sched_setaffinity(pid, cores[1:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0
