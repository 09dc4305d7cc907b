"""`guard` with a stopwatch around its stages: python -m loadtests.bench.timed FILE serve …

A stage's time is its own, without the stages that it calls; a coroutine's is counted only while it runs, not while it
waits. At the end the figures are written to FILE. What the stopwatch itself adds is measured at the start and taken
off; what a request costs in all is measured without it (`stages.py`).
"""

import importlib
import inspect
import json
import sys
from array import array
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from functools import wraps
from pathlib import Path
from time import perf_counter_ns
from typing import Any, NamedTuple

from guard.__main__ import main as guard

# What is timed, and where the program looks its name up. In the order in which a request meets it.
STAGES = (
    ("listener: reading", "guard.server.connection:Connection.data_received"),
    ("listener: writing", "guard.server.connection:Connection.write"),
    ("edge: facts", "guard.edges.direct:facts_from_http"),
    ("edge: the rest", "guard.edges.direct:DirectRoad.__call__"),
    ("judge: route", "guard.core.decide:route"),
    ("judge: address", "guard.core.decide:enter"),
    ("judge: identify", "guard.core.decide:identify"),
    ("judge: screen", "guard.core.decide:screen"),
    ("judge: verify the head", "guard.core.decide:verify_head"),
    ("judge: verify", "guard.core.decide:verify"),
    ("judge: charge", "guard.core.decide:charge"),
    ("judge: admit", "guard.core.decide:admit"),
    ("judge: still", "guard.core.decide:still"),
    ("judge: the rest", "guard.service.judge:Judge.judge"),
    ("store: charge", "guard.state.memory:MemoryLimits.charge"),
    ("forward: fields for the backend", "guard.edges.exchange:request_fields"),
    ("forward: asking", "guard.edges.forwarded:forward_at_once"),
    ("forward: reading the answer", "guard.upstream.connection:Connection.data_received"),
    ("answer: fields for the client", "guard.edges.direct:answer_lines"),
    ("answer: RateLimit fields", "guard.wire.allowed_fields:rate_limit"),
    ("answer: the rest", "guard.edges.direct:Passage.set_result"),
    ("log: event", "guard.service.aftermath:Aftermath.conclude"),
    ("log: line", "guard.telemetry.decision_log:DecisionLog.record"),
)

_TOLL_CALLS = 20_000


class Timing(NamedTuple):
    """How often a stage ran, and how long on average. The slowest hundredth is left out: the machine has other work."""

    calls: int
    mean_ns: float


class Toll(NamedTuple):
    """What the stopwatch itself adds to one timed call: to the time of what is called, and to that of its caller."""

    inside_ns: int = 0
    outside_ns: int = 0


_FREE = Toll()


class Stopwatch:
    """Times functions that call one another on one thread. `call_toll` and `coroutine_toll` are taken off."""

    def __init__(self, now_ns: Callable[[], int], call_toll: Toll = _FREE, coroutine_toll: Toll = _FREE) -> None:
        self._now_ns = now_ns
        self._call_toll = call_toll
        self._coroutine_toll = coroutine_toll
        self._within = [0]
        self._own: dict[str, array[int]] = {}

    def timings(self) -> dict[str, Timing]:
        """What was measured, by stage."""
        return {stage: _timing(own) for stage, own in self._own.items()}

    def around(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""
        own = self._own.setdefault(stage, array("q"))
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def steps(*given: Any, **named: Any) -> Any:
                return await _Steps(function(*given, **named), self, own, self._coroutine_toll)

            return steps

        @wraps(function)
        def call(*given: Any, **named: Any) -> Any:
            begun = self.begin()
            try:
                return function(*given, **named)
            finally:
                own.append(self.end(begun, self._call_toll))

        return call

    def begin(self) -> int:
        """Start the time of what is called now."""
        self._within.append(0)
        return self._now_ns()

    def end(self, begun_ns: int, toll: Toll) -> int:
        """The time since then, less what was begun and ended in between, and less the toll."""
        took_ns = self._now_ns() - begun_ns
        own_ns = took_ns - self._within.pop() - toll.inside_ns
        self._within[-1] += took_ns + toll.outside_ns
        return own_ns


class _Steps(Awaitable[Any]):
    """A coroutine whose every step is timed."""

    def __init__(self, coroutine: Any, watch: Stopwatch, own: "array[int]", toll: Toll) -> None:
        self._toll = toll
        self._coroutine = coroutine
        self._watch = watch
        self._own = own
        self._own_ns = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        return self

    def __iter__(self) -> "_Steps":
        return self

    def __next__(self) -> Any:
        return self._step(self._coroutine.send, None)

    def send(self, value: Any) -> Any:
        return self._step(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._coroutine.throw, *error)

    def close(self) -> None:
        self._coroutine.close()

    def _step(self, step: Callable[..., Any], *given: Any) -> Any:
        begun, waits = self._watch.begin(), False
        try:
            waited_for = step(*given)
            waits = True
            return waited_for
        finally:
            self._own_ns += self._watch.end(begun, self._toll)
            if not waits:
                self._own.append(self._own_ns)


def tolls() -> tuple[Toll, Toll]:
    """What the stopwatch adds to a call and to a coroutine, measured on empty ones."""
    return _toll(_Empty.call), _toll(_Empty.coroutine)


def place(name: str) -> tuple[object, str]:
    """The module or class that holds a name of the table, and the name in it. Raises AttributeError if it does not."""
    module, _, path = name.partition(":")
    *outer, last = path.split(".")
    holder: object = importlib.import_module(module)
    for part in outer:
        holder = getattr(holder, part)
    getattr(holder, last)
    return holder, last


def main() -> None:
    """Put the stopwatch on, and be guard."""
    file = Path(sys.argv.pop(1))
    watch = Stopwatch(perf_counter_ns, *tolls())
    for stage, name in STAGES:
        holder, last = place(name)
        setattr(holder, last, watch.around(stage, getattr(holder, last)))
    try:
        guard()
    finally:
        file.write_text(json.dumps(watch.timings()))


class _Empty:
    """Nothing, to be timed."""

    @staticmethod
    def call() -> None:
        pass

    @staticmethod
    async def coroutine() -> None:
        pass


def _toll(empty: Callable[[], Any]) -> Toll:
    """One timed coroutine calls a timed nothing many times; what a nothing costs without the watch is taken off."""
    watch = Stopwatch(perf_counter_ns)

    async def many(called: Callable[[], Any]) -> None:
        for _ in range(_TOLL_CALLS):
            waited_for = called()
            if waited_for is not None:
                await waited_for

    for stage, called in (("timed", watch.around("inside", empty)), ("bare", empty)):
        with suppress(StopIteration):
            watch.around(stage, many)(called).send(None)
    each = {stage: timing.mean_ns for stage, timing in watch.timings().items()}
    return Toll(int(each["inside"]), int((each["timed"] - each["bare"]) / _TOLL_CALLS))


def _timing(own: "array[int]") -> Timing:
    kept = sorted(own)[: max(1, len(own) * 99 // 100)]
    return Timing(len(own), sum(kept) / len(kept)) if own else Timing(0, 0.0)


if __name__ == "__main__":
    main()
