"""One connection to a backend: one exchange at a time, and between two of them silence.

A connection is lent to one asker by `ask` and comes back to its home by itself when the exchange is over, cleanly or
not. Anything that makes the next answer doubtful ends it: bytes that nobody asked for, an end that is not one, an asker
who went away, a request that was not sent to its last byte. So no answer can meet another request than its own.

Deadlines cost nothing on the way: `_due_ms` moves, one timer follows it lazily.
"""

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Protocol

from guard.model.exchange import Sent
from guard.upstream.answer import Answer, UpstreamFailure
from guard.upstream.body_stream import BodyStream
from guard.upstream.response import ResponseReader

_ONE_WRITE_BYTES_MAX = 64 * 1024
_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


class Home(Protocol):
    """Where a connection belongs between exchanges."""

    def answered(self) -> None:
        """The backend has answered a request, wholly."""

    def failed(self) -> None:
        """The backend has left a request that it had received without an answer, or broken off its answer."""

    def came_back(self, connection: "Connection", *, clean: bool) -> None:
        """Its exchange is over. If it was clean, another may follow."""

    def gone(self, connection: "Connection") -> None:
        """Its socket is closed."""


class Reply(Protocol):
    """Where an answer goes: a future, or whatever takes it at once. It must not raise."""

    def done(self) -> bool:
        """Whether nobody waits for it any more."""

    def set_result(self, result: Answer, /) -> None:
        """The answer."""

    def set_exception(self, exception: UpstreamFailure, /) -> None:
        """Why there is none."""


class Connection(asyncio.Protocol):
    """See the module. `clock` is monotonic, in milliseconds. `with_stranger` is its home's note of who asks."""

    def __init__(self, home: Home, clock: Callable[[], int], idle_ms: int) -> None:
        self.home = home
        self._clock = clock
        self._idle_ms = idle_ms
        self._loop = asyncio.get_running_loop()
        self._reader = ResponseReader()
        self._transport: asyncio.Transport
        self._poll = select.poll()
        self._asked: Reply | None = None
        self._stream: BodyStream | None = None
        self._room: asyncio.Future[None] | None = None
        self._sending = False
        self._paused = False
        self._rested = False
        self._heard = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0
        self._due_ms = 0
        self._end_by_ms = 0
        self.hung_up = False
        self.with_stranger = False

    # What its borrower calls.

    @property
    def closing(self) -> bool:
        """Whether it can carry no further exchange."""
        return self._transport.is_closing()

    def overdue(self, now_ms: int) -> bool:
        """Whether it has rested too long, even if the loop had no time to say so."""
        return self._due_ms <= now_ms

    def quiet(self) -> bool:
        """Whether the kernel holds nothing from the backend, not even its goodbye. Costs a system call."""
        return not self._poll.poll(0)

    def ask(
        self, verb: str, head: bytes, body: bytes, *, respond_by_ms: int, end_by_ms: int, more: bool = False
    ) -> asyncio.Future[Answer]:
        """Send a request; the future gets its answer or an UpstreamFailure. `more` says that `send` brings the body."""
        asked: asyncio.Future[Answer] = self._loop.create_future()
        self.ask_for(asked, verb, head, body, respond_by_ms=respond_by_ms, end_by_ms=end_by_ms, more=more)
        return asked

    def ask_for(
        self,
        reply: Reply,
        verb: str,
        head: bytes,
        body: bytes,
        *,
        respond_by_ms: int,
        end_by_ms: int,
        more: bool = False,
    ) -> None:
        """The same for any `reply`. It is told when this connection is done with the exchange, or streams its body."""
        self._asked = reply
        self._reader.begin(verb)
        self._heard = False
        self._sending = more
        self._end_by_ms = end_by_ms
        self._expect_by(min(respond_by_ms, end_by_ms))
        if len(body) <= _ONE_WRITE_BYTES_MAX:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))

    async def send(self, content: bytes) -> None:
        """Send a piece of the body; waits while the backend takes no more. Sends nothing on a closing connection."""
        if not self.quiet():
            await asyncio.sleep(0.001)  # an early answer is here: a write that fails would lose it, so read it first
        if not self.closing:
            self._transport.write(content)
        if self._room is not None:
            await self._room

    def sent_all(self, respond_by_ms: int) -> None:
        """The body that `send` brought is whole."""
        self._sending = False
        if self._asked is not None and not self._reader.head_seen:
            self._expect_by(min(respond_by_ms, self._end_by_ms))

    def withdraw(self, asked: Reply) -> None:
        """The asker has gone. Ends that exchange wherever it stands, and no other that may have begun since."""
        if self._asked is asked:
            self._asked = None
            self._part(clean=False)
        elif isinstance(asked, asyncio.Future) and asked.done() and not asked.cancelled() and asked.exception() is None:
            asked.result().abandon()

    def rest(self) -> None:
        """Wait for the next asker, but no longer than the idle limit, and than the backend says that it waits."""
        self._rested = True
        kept_ms = self._reader.head.kept_ms
        self._expect_by(self._clock() + (self._idle_ms if kept_ms is None else min(kept_ms, self._idle_ms)))

    def close(self) -> None:
        """Close at once. An exchange under way is not told: `withdraw` is for that."""
        self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # what TCP gives
        """Ready for the first exchange."""
        self._transport = transport
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if transport.get_extra_info("sslcontext") is None:  # over TLS 0 would mean that there is never room
            transport.set_write_buffer_limits(high=0)  # else uvloop writes only later: `quiet` is long ago by then
        self._poll.register(sock.fileno(), _READABLE)

    def data_received(self, content: bytes) -> None:
        """Bytes from the backend: a part of the answer, or nothing that anyone asked for."""
        if self._asked is None and self._stream is None:
            self.close()
            return
        self._heard = True
        fault = self._reader.feed(content)
        if fault is not None:
            self._fail("upstream.broken", fault)
        elif self._reader.complete:
            self._complete()
        elif self._reader.head_seen:
            self._go_on()

    def eof_received(self) -> None:
        """The backend has closed its side."""
        if self._asked is None and self._stream is None:
            self.close()
        elif self._reader.finish():
            self._complete()
        else:
            self._lose("the backend closed the connection")

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is closed."""
        if self._asked is not None or self._stream is not None:
            self._lose(f"the connection was lost: {error}")
        if self._timer is not None:
            self._timer.cancel()
        self.resume_writing()
        self.home.gone(self)

    def pause_writing(self) -> None:
        """The backend does not take what is sent as fast as it comes."""
        self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        """There is room again."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    # How an exchange goes on and ends.

    def _go_on(self) -> None:
        """The head is here, the end is not."""
        reader = self._reader
        self._due_ms = self._end_by_ms
        if self._stream is None:
            if reader.gathers:
                return
            asked, self._asked = self._asked, None
            if asked is None or asked.done():  # cancelled, and about to say so
                self._abandon()
                return
            stream = self._stream = BodyStream(resume=self._resume_reading, abandon=self._abandon)
            head = reader.head
            asked.set_result(Answer(head.status, head.reason, head.fields, stream, reader.trailers))
        if not self._stream.push(reader.take()):
            self._paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        self._paused = False
        if not self.closing:
            self._transport.resume_reading()

    def _complete(self) -> None:
        """The answer is whole, whether or not all of the request was sent."""
        reader = self._reader
        asked, stream = self._asked, self._stream
        self._asked = self._stream = None
        clean = reader.reusable and not self._sending and not self._transport.get_write_buffer_size()
        head, content, trailers = reader.head, reader.take(), reader.trailers
        if stream is not None:
            stream.push(content)
            stream.end()
        self.home.answered()
        self._part(clean=clean)
        if asked is not None and not asked.done():
            asked.set_result(Answer(head.status, head.reason, head.fields, content, trailers))

    def _lose(self, source: str) -> None:
        self.hung_up = self._rested and not self._heard
        self._fail("upstream.broken", source, blame=not self.hung_up)

    def _fail(self, code: str, source: str, *, blame: bool = True) -> None:
        """The exchange has failed. Nobody is blamed for what a client has not sent yet, or leaves unread."""
        if blame and not self._sending and not self._paused:
            self.home.failed()
        failure = UpstreamFailure(code, Sent.YES if self._reader.head_seen else Sent.UNKNOWN, source)
        asked, stream = self._asked, self._stream
        self._asked = self._stream = None
        if stream is not None:
            stream.fail(failure)
        self._part(clean=False)
        if asked is not None and not asked.done():
            asked.set_exception(failure)

    def _abandon(self) -> None:
        self._fail("upstream.broken", "nobody read the answer to its end", blame=False)

    def _part(self, *, clean: bool) -> None:
        if not clean:
            self.close()
        self.home.came_back(self, clean=clean)

    def _expect_by(self, due_ms: int) -> None:
        self._due_ms = due_ms
        if self._timer is None or self._timer_ms > due_ms:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ms = self._due_ms
        self._timer = self._loop.call_later(max(self._due_ms - self._clock(), 1) / 1000, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self.closing:
            return
        if self._due_ms > self._clock():
            self._arm()
        elif self._asked is None and self._stream is None:
            self.close()
        else:
            self._fail("upstream.timeout", "the backend did not answer in time")
