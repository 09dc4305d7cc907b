"""The supervisor of several workers: it sees no traffic, holds the listening socket that all of them accept from, and
keeps each place filled until it is told to stop.

One inherited socket, not one for each worker: whoever is connected and not yet accepted when a worker dies is accepted
by another, and Unix sockets work alike. That a few clients are spread evenly over workers is `server/spread.py`'s.

A worker that dies is replaced; one that dies young, after a pause that doubles. Until all have been ready once, what
one of them refuses, or five deaths of one place in a row, is the end: half a start serves nobody. Later the supervisor
gives up only if five in a row have failed and nobody serves any more.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog

from guard.app.link import News, Task
from guard.app.place import Life, Place
from guard.app.worker import CannotServe
from guard.server.binding import Binding
from guard.server.spread import SLOT_BYTES, nobody
from guard.telemetry.meter import Meter
from guard.telemetry.tally import Tally, together

FAILURES_MAX = 5
_YOUNG_S = 10
_PAUSE_S = 0.1
_PAUSE_S_MAX = 10
_MARGIN_S = 5

_log = structlog.get_logger()


class Supervisor:
    """`command` starts a worker; `content` is what it is told to serve, on `binding`, in each of `workers` places.

    `grace_s` is how long workers take at most to finish what is in flight. The binding is the supervisor's to close.
    """

    def __init__(
        self, command: Sequence[str], content: bytes, binding: Binding, *, workers: int, grace_s: float
    ) -> None:
        self._binding = binding
        self._grace_s = grace_s
        self._meter = Meter()
        self._memory = os.memfd_create("guard-spread")
        os.write(self._memory, nobody(workers))
        listening = binding.socket.fileno()
        self._places = tuple(
            Place(command, Task(content, number, listening, self._memory), self._changed) for number in range(workers)
        )
        self._stop = asyncio.Event()
        self._at_once = False
        self._was_ready = False
        self._on_ready: Callable[[], object]

    @property
    def pids(self) -> tuple[int | None, ...]:
        """The workers' processes, by place; None where there is none now."""
        return tuple(place.pid for place in self._places)

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Why this node should get no traffic; empty if it should."""
        if self._stop.is_set():
            return ("draining",)
        return tuple(f"worker {place.number}: {reason}" for place in self._places for reason in place.waiting_for)

    @property
    def degraded(self) -> tuple[str, ...]:
        """What an operator must know though this node serves."""
        return tuple(f"worker {place.number}: {reason}" for place in self._places for reason in place.degraded)

    def tally(self) -> Tally:
        """What all workers have counted, also those that are gone, as of their last reports."""
        ready = sum(not place.waiting_for for place in self._places)
        self._meter.workers({"ready": ready, "not_ready": len(self._places) - ready})
        return together((self._meter.tally(), *(place.tally() for place in self._places)))

    @property
    def policies(self) -> tuple[str, ...]:
        """The digests that the workers run, by place; empty where none has said so yet."""
        return tuple(place.policy for place in self._places)

    @property
    def meter(self) -> Meter:
        """What the supervisor itself counts."""
        return self._meter

    def renew(self, content: bytes) -> None:
        """What workers that start from now on are told to serve."""
        for place in self._places:
            place.renew(content)

    def tell(self, news: News) -> None:
        """Say it to all workers."""
        for place in self._places:
            place.tell(news)

    async def run(self, on_ready: Callable[[], object], on_stop: Callable[[], object]) -> None:
        """Keep the places filled until SIGTERM or SIGINT; then drain. A second signal ends all at once.

        Raises CannotServe if nothing can be served, or if not everything was finished.
        """
        self._on_ready = on_ready
        with self._signals():
            keeping = [asyncio.create_task(self._keep(place)) for place in self._places]
            stopping = asyncio.create_task(self._stop.wait())
            await asyncio.wait((stopping, *keeping), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            on_stop()
            late = await self._drain(keeping)
        os.close(self._memory)
        for error in [task.exception() for task in keeping]:
            if error is not None:
                raise error
        if late or self._at_once:
            raise CannotServe("workers were ended before they had finished what was in flight")

    async def _keep(self, place: Place) -> None:
        failures = 0
        while not self._stop.is_set():
            life = await place.live()
            os.pwrite(self._memory, nobody(1), (place.number - 1) * SLOT_BYTES)
            if self._stop.is_set():
                return
            failures = 0 if life.ready and life.lasted_s >= _YOUNG_S else failures + 1
            _log.warning(
                "worker.ended", worker=place.number, code=life.code, lasted_s=round(life.lasted_s, 1), why=life.refusal
            )
            self._refuse_hopelessness(life, failures)
            self._meter.restart()
            await self._pause(failures)

    def _refuse_hopelessness(self, life: Life, failures: int) -> None:
        if life.refusal is not None and not self._was_ready:  # knockout: refusal_ends_the_start
            raise CannotServe(life.refusal)
        if failures < FAILURES_MAX:  # knockout: failures_max
            return
        if self._was_ready and not all(place.waiting_for for place in self._places):  # knockout: somebody_serves
            return
        raise CannotServe(life.refusal or f"{failures} workers in a row ended young, the last with code {life.code}")

    async def _pause(self, failures: int) -> None:
        if failures == 0:
            return
        try:
            async with asyncio.timeout(min(_PAUSE_S * 2 ** (failures - 1), _PAUSE_S_MAX)):
                await self._stop.wait()
        except TimeoutError:
            return

    async def _drain(self, keeping: Sequence[asyncio.Task[None]]) -> bool:
        """Whether some worker had to be killed for being late."""
        self._stop.set()
        self._binding.close()
        for place in self._places:
            place.drain()
        _, late = await asyncio.wait(keeping, timeout=self._grace_s + _MARGIN_S)
        for place in self._places:
            place.kill()
        if late:
            await asyncio.wait(late)
        return bool(late)

    def _changed(self) -> None:
        if not self._was_ready and not self.waiting_for:
            self._was_ready = True
            self._on_ready()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _signalled(self) -> None:
        if self._stop.is_set():
            self._at_once = True
            for place in self._places:
                place.kill()
        self._stop.set()
