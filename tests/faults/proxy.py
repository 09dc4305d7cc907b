"""A proxy between a program and its Redis or PostgreSQL that delays, pauses, cuts, refuses, and loses answers after the
command has run. What it does is said at run time, from any thread; what is left to chance is drawn from a seed.
"""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from tests.faults.link import Fate, Faults, Link, Towards, reset
from tests.faults.wires import EVERY_KIND, Kind, Opaque, Wire
from tests.ports import free_port

_BOTH = frozenset(Towards)
_CONTROL_S = 5.0

Told = TypeVar("Told")


@dataclass
class Loss:
    """Answers that the client shall not hear: to these commands, after the first `skip`, `times` of them or all."""

    names: frozenset[str]
    fate: Fate
    skip: int
    times: int | None
    share: float

    def takes(self, name: str, draw: random.Random) -> bool:
        """Whether it takes the answer to this command. Counts."""
        if name not in self.names or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.share < 1 and draw.random() >= self.share:
            return False
        self.times = None if self.times is None else self.times - 1
        return True


class FaultProxy(Faults):
    """A proxy that passes everything until it is told otherwise. `asked` and `unheard` count commands by name."""

    def __init__(self, server_port: int, wire: Callable[[], Wire], seed: int, loop: asyncio.AbstractEventLoop) -> None:
        self.port = free_port()
        self.asked: Counter[str] = Counter()
        self.unheard: Counter[str] = Counter()
        self.accepted = 0
        self._server_port = server_port
        self._wire = wire
        self._draw = random.Random(seed)  # noqa: S311  # a seed, so that a failure can be repeated
        self._loop = loop
        self._links: set[Link] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Server | None = None
        self._changed = asyncio.Condition()
        self._delays: dict[Towards, tuple[float, float]] = {}
        self._paused: set[tuple[Towards, Kind]] = set()
        self._rooms: dict[Towards, int] = {}
        self._losses: list[Loss] = []

    # What a test says.

    def delay(self, least_ms: float, most_ms: float | None = None, towards: frozenset[Towards] = _BOTH) -> None:
        """From now on everything arrives so late, in order; the time is drawn if two are given."""
        most_ms = least_ms if most_ms is None else most_ms
        self._told(lambda: self._delays.update(dict.fromkeys(towards, (least_ms / 1000, most_ms / 1000))))

    def pause(self, towards: frozenset[Towards] = _BOTH, kinds: frozenset[Kind] = EVERY_KIND) -> None:
        """Accept and hold, forward nothing in these directions: a black hole, until it is healed."""
        self._told(lambda: self._paused.update((way, kind) for way in towards for kind in kinds))

    def cut(self, kinds: frozenset[Kind] = EVERY_KIND, *, resets: bool = True) -> int:
        """End every connection of these kinds now, by RST or by FIN; how many there were."""

        def cut() -> int:
            links = [link for link in self._links if link.kind in kinds]
            for link in links:
                link.cut(resets=resets)
            return len(links)

        return self._told(cut)

    def cut_after(self, count: int, towards: Towards) -> None:
        """Cut whichever connection is to carry the byte after so many in this direction, in the middle of it all."""
        self._told(lambda: self._rooms.update({towards: count}))

    def refuse(self) -> None:
        """Listen no more: whoever connects is refused, as by a server that is not there. What is connected stays."""
        self._awaited(self._stop_listening())

    def lose(
        self, *names: str, fate: Fate = Fate.CUT, skip: int = 0, times: int | None = None, share: float = 1.0
    ) -> None:
        """Answers to these commands are not heard, though each has run: the connection is cut there, or hangs."""
        self._told(lambda: self._losses.append(Loss(frozenset(names), fate, skip, times, share)))

    def heal(self) -> None:
        """Wish no more faults. What was held back flows on, late; what was cut stays cut."""

        def heal() -> None:
            self._delays, self._rooms, self._losses = {}, {}, []
            self._paused.clear()

        self._told(heal)
        self._awaited(self._listen())

    # What its links ask.

    def delay_s(self, towards: Towards) -> float:
        least_s, most_s = self._delays.get(towards, (0.0, 0.0))
        return self._draw.uniform(least_s, most_s) if most_s else 0.0

    async def flowing(self, towards: Towards, kind: Kind) -> None:
        if (towards, kind) in self._paused:
            async with self._changed:
                await self._changed.wait_for(lambda: (towards, kind) not in self._paused)

    async def healed(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._losses)

    def room(self, towards: Towards, count: int) -> int:
        left = self._rooms.get(towards)
        if left is None:
            return count
        if left >= count:
            self._rooms[towards] = left - count
            return count
        del self._rooms[towards]
        return left

    def fate_of(self, name: str) -> Fate:
        self.asked[name] += 1
        return next((loss.fate for loss in self._losses if loss.takes(name, self._draw)), Fate.PASSES)

    def lost(self, name: str) -> None:
        self.unheard[name] += 1

    # Its own life.

    def open(self) -> None:
        self._awaited(self._listen())

    def close(self) -> None:
        self._awaited(self._end())

    async def _end(self) -> None:
        await self._stop_listening()
        for link in list(self._links):
            link.cut()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _listen(self) -> None:
        if self._listening is None:
            self._listening = await asyncio.start_server(self._accept, "127.0.0.1", self.port, backlog=512)

    async def _stop_listening(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        serving = self._loop.create_task(self._serve(reader, writer))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            reset(writer)
            return
        link = Link((reader, writer), server, self._wire(), self)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)

    def _told(self, act: Callable[[], Told]) -> Told:
        async def acted() -> Told:
            async with self._changed:
                done = act()
                self._changed.notify_all()
            return done

        return self._awaited(acted())

    def _awaited(self, act: Coroutine[None, None, Told]) -> Told:
        return asyncio.run_coroutine_threadsafe(act, self._loop).result(_CONTROL_S)


@contextmanager
def fault_proxy(server_port: int, wire: Callable[[], Wire] = Opaque, seed: int = 0) -> Iterator[FaultProxy]:
    """A proxy in a thread of its own, on a free port of 127.0.0.1, for the time of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fault proxy")
    thread.start()
    proxy = FaultProxy(server_port, wire, seed, loop)
    try:
        proxy.open()
        try:
            yield proxy
        finally:
            proxy.close()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
