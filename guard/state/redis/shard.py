"""One Redis server, asked by one process: the batcher, its deadline and its breaker.

Why it is right. Whoever asks leaves a charge and waits for an answer of its own; two tasks own the connection, one that
writes and one that reads, and replies come in the order of what was written. So a request that is cancelled leaves
nothing behind that another could take for its own, and nothing is ever sent twice: what was sent and not answered is
`Unavailable`, and may have cost once. Only a server that says that it does not know the script (NOSCRIPT: it has done
nothing) is told it, and asked again.

All charges of one turn of the event loop travel as one flush, at most 64, critical ones first; while several flushes
are under way the others gather, so that the slower Redis is the larger the flushes are. The breaker is the flush that
is overdue: while one is, nobody is made to wait behind it, everybody is answered at once, and its late reply is the
proof that Redis is back. If that does not come either, the connection is given up and opened anew, again and again, and
until one is open everybody is answered at once. So a Redis that is paused costs nobody more than one that is dead, but
those who asked in the very milliseconds before it was noticed.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeAlias

from redis.exceptions import MovedError, NoScriptError, ReadOnlyError, ResponseError

from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.questions import Charge, Receipt, Short, Unavailable
from guard.state.redis.batch import CROWDED, Batch
from guard.state.redis.calls import Call, burying, reading_clock
from guard.state.redis.command import command
from guard.state.redis.exhausted import Exhausted
from guard.state.redis.flight import TIMED_OUT, Flight
from guard.state.redis.line import FAULTS, Line, Unfit, open_line
from guard.state.redis.origin import Origin
from guard.state.redis.scripts import ALL

FLIGHTS_MAX = 2

_CONNECT_S = 1.0
_AGAIN_S = 0.05
_CLOSE_POLL_S = 0.001
_PATIENCE_S = 0.5
_CLOCK_S = 1.0

_DOWN = Unavailable("redis: not connected")
_LOST = Unavailable("redis: the connection was lost")
_OVERDUE = Unavailable("redis: an answer is overdue")
_UNCONFIRMED = Unavailable("redis: no replica has confirmed it")

_LOADS = b"".join(command(b"SCRIPT", b"LOAD", script.source) for script in ALL)

ReadsClock: TypeAlias = Callable[[], Callable[[UnixMs], object]]
"""Notes that a server is about to be asked what time it is; who is given back hears it."""


class Shard:
    """The questions to one server, which holds the partitions of `tags`.

    `clock` replaces the server's TIME in tests; `reads_clock` is called each second as the server is asked for it;
    `tell` hears why the server cannot be asked, and None when it can; `moved` takes calls that the server has refused
    because another holds their slot.
    """

    def __init__(
        self,
        origin: Origin,
        tags: Callable[[], Iterable[bytes]],
        *,
        timeout_s: float,
        clock: Callable[[], UnixMs] | None = None,
        reads_clock: ReadsClock | None = None,
        tell: Callable[[str | None], None] = lambda _: None,
        moved: Callable[[Call], None] | None = None,
    ) -> None:
        self.born_at: UnixMs | None = None
        self._origin, self._tags = origin, tags
        self._timeout_s = timeout_s
        self._clock = clock
        self._reads_clock = reads_clock
        self._tell, self._moved = tell, moved
        self._told_down, self._unusable = False, ""
        self._latest = UnixMs(0)
        self._line: Line | None = None
        self._overdue = False
        self._batch = Batch(self._heard)
        self._exhausted = Exhausted()
        self._flights: deque[Flight] = deque()
        self._wake = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._tried: asyncio.Future[None] = self._loop.create_future()
        self._living = asyncio.create_task(self._live(), name="redis")

    async def opened(self) -> None:
        """Until the first connection is open, or has failed. Raises Unfit where the server must not be used."""
        await asyncio.shield(self._tried)

    async def close(self) -> None:
        """Send what is to be given back, and end."""
        if self._line is not None and not self._overdue:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout_s):
                    while self._batch or self._flights:  # noqa: ASYNC110  # once, at the end
                        await asyncio.sleep(_CLOSE_POLL_S)
        self._living.cancel()
        await asyncio.gather(self._living, return_exceptions=True)
        if self._looking is not None:
            self._looking.cancel()

    def ask(self, tag: bytes, charge: Charge, *, repaid: bool = False) -> "Receipt | asyncio.Future[Receipt]":
        """The answer, at once where there can be none."""
        if self._line is None:  # knockout: down_is_told_at_once
            return _DOWN
        if self._overdue:  # knockout: breaker
            return _OVERDUE
        if charge.account is None and charge.once is None and not repaid:
            refusal = self._exhausted.refusal(charge)
            if refusal is not None:
                return refusal
        answer: asyncio.Future[Receipt] = self._loop.create_future()
        if not self._batch.ask(tag, charge, answer, repaid=repaid):
            return CROWDED
        self._wake.set()
        return answer

    def give_back(self, tag: bytes, charge: Charge, *, tokens: bool) -> None:
        """In the next flush. Lost, and so paid for and held to its end, if the server does not answer."""
        if self._line is not None:
            self._batch.give_back(tag, charge, tokens=tokens)
            self._wake.set()

    async def bury(self, tag: bytes, account: AccountId, key_id: KeyId, until: UnixMs) -> bool:
        """Set a tombstone in the next flush; whether it stands."""
        if self._line is None:
            return False
        done: asyncio.Future[bool] = self._loop.create_future()
        self._batch.call(burying(tag, account, self._batch.spelling.tomb(key_id), until, done))
        self._wake.set()
        return await done

    def call(self, call: Call) -> None:
        """Ask something else, or what another server has refused."""
        if self._line is None or self._overdue:
            call.failed(_DOWN)
            return
        self._batch.call(call)
        self._wake.set()

    async def _live(self) -> None:
        while True:
            try:
                line = await open_line(self._origin, _CONNECT_S)
            except Unfit as unfit:
                if not self._tried.done():
                    self._tried.set_exception(unfit)
                why = str(unfit)
            except FAULTS as error:
                why = str(error) or type(error).__name__
            else:
                why = await self._serve(line)
            if not self._told_down:
                self._told_down = True
                self._tell(why)
            if not self._tried.done():
                self._tried.set_result(None)
            await asyncio.sleep(_AGAIN_S)

    async def _serve(self, line: Line) -> str:
        """Until the connection breaks or is given up; why it was."""
        for tag in self._tags():
            self._batch.learn(tag)
        self._line, self._overdue, self._unusable = line, False, ""
        self._wake.set()
        self._reading = asyncio.create_task(line.answers(self._replied))
        tasks = (self._reading, *map(asyncio.create_task, (self._write(line), self._watch_clock())))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._line = None
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await line.close()
            self._fail(_LOST)
        broken = (repr(error) for error in ended if isinstance(error, Exception))
        return self._unusable or next(broken, "no answer for too long")

    async def _watch_clock(self) -> None:
        """Ask for the server's time each second, also while nobody asks for anything else."""
        while True:
            tag = next(iter(self._tags()), None)
            if self._reads_clock is not None and tag is not None and not self._overdue:
                self._batch.call(reading_clock(tag, self._reads_clock()))
                self._wake.set()
            await asyncio.sleep(_CLOCK_S)

    def _heard(self, epoch: UnixMs, charges: Sequence[Charge], receipts: Sequence[Receipt]) -> None:
        """The server answered: what it says of its memory, of the time, and of addresses."""
        self.born_at = epoch
        for charge, receipt in zip(charges, receipts, strict=True):
            if isinstance(receipt, Unavailable):
                continue
            self._latest = max(self._latest, receipt.now)
            if isinstance(receipt, Short) and charge.account is None and charge.once is None:
                self._exhausted.learn(charge, receipt)
        if self._told_down:
            self._told_down = False
            self._tell(None)
        if not self._tried.done():
            self._tried.set_result(None)

    async def _write(self, line: Line) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while len(self._flights) < FLIGHTS_MAX:
                flight = self._batch.next()
                if flight is None:
                    break
                await line.send(self._launched(flight, line))

    def _launched(self, flight: Flight, line: Line) -> bytes:
        flight.confirmed = line.server.replicas > 0
        self._flights.append(flight)
        if self._looking is None:
            self._looking = self._loop.call_later(flight.look(time.monotonic(), self._timeout_s), self._look)
        clock = b"" if self._clock is None else b"%d" % self._clock()
        run = line.server.run.encode()
        written = [call.written(clock, run, self._latest) for call in flight.calls]
        if flight.loads:
            written.insert(0, _LOADS)
        if flight.confirmed:
            written.append(command(b"WAIT", 1, max(int(self._timeout_s * 1000), 1)))
        return b"".join(written)

    def _replied(self, reply: object) -> None:
        flight = self._flights[0]
        flight.replies.append(reply)
        if not flight.complete:
            return
        self._flights.popleft()
        if flight.over:
            self._overdue = any(each.over for each in self._flights)
        else:
            self._settle(flight)
        if self._batch:
            self._wake.set()

    def _settle(self, flight: Flight) -> None:
        if flight.confirmed and not flight.replies[-1]:  # knockout: unconfirmed
            flight.fail(_UNCONFIRMED)
            self._give_up()
            return
        for call, reply in flight.answers():
            if isinstance(reply, NoScriptError):
                self._batch.again(call)
                continue
            if isinstance(reply, MovedError) and self._moved is not None:
                self._moved(call)
                continue
            call.settle(reply)
            if isinstance(reply, ReadOnlyError if self.born_at else ResponseError):  # another is the master, or may not
                self._unusable = str(reply)
                self._give_up()

    def _look(self) -> None:
        """See whose time is over. Then nobody is made to wait behind them."""
        self._looking = None
        now = time.monotonic()
        for flight in self._flights:
            if flight.over:
                continue
            again_s = flight.look(now, self._timeout_s)
            if again_s > 0:
                break
            flight.fail(TIMED_OUT)
            self._overdue = True
        else:
            again_s = _PATIENCE_S
        if not self._flights:
            return
        if self._overdue:
            self._batch.fail(_OVERDUE)
            if now - self._flights[0].asked_at > _PATIENCE_S:
                self._give_up()
                return
            again_s = min(again_s, self._timeout_s)
        self._looking = self._loop.call_later(again_s, self._look)

    def _give_up(self) -> None:
        """This connection is worth nothing: another is opened."""
        if self._reading is not None:
            self._reading.cancel()

    def _fail(self, why: Unavailable) -> None:
        for flight in self._flights:
            flight.fail(why)
        self._batch.fail(why)
        self._flights.clear()
