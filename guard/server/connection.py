"""One connection of a client: its requests one after the other, each answered before the next is looked at.

So answers cannot be confused, a request that was pipelined behind a broken one is never served, and what is read ahead
is bounded by bytes. The end of a connection is said in three steps: our side is closed, what still comes is dropped for
a while so that the client can read its answer (RFC 9112 section 9.6), then the socket is closed.
"""

import asyncio

import structlog

from guard.model.exchange import Sent
from guard.server.deadline import Deadline
from guard.server.exchange import Address, ClientGone, Exchange, address
from guard.server.framing import ChunkedBody, SizedBody
from guard.server.head import MALFORMED, HeadReader, RequestHead
from guard.server.home import Home
from guard.server.refusal import refusal

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_log = structlog.get_logger()


class Connection(asyncio.Protocol):
    """See the module."""

    def __init__(self, home: Home, loop: asyncio.AbstractEventLoop) -> None:
        self._home = home
        self._limits = home.limits
        self._loop = loop
        self._transport: asyncio.Transport
        self._heads = HeadReader(home.limits)
        self._deadline = Deadline(loop, self._late)
        self._exchange: Exchange | None = None
        self._body: SizedBody | ChunkedBody
        self._ahead = bytearray()
        self._room: asyncio.Future[None] | None = None
        self._paused = self._half_closed = self._lingering = False
        self._window_bytes: int | None = None
        self._patient = True
        self._lingered_bytes = 0
        self.client: Address | None = None
        self.server: Address | None = None

    # What the listener calls.

    def drain(self) -> None:
        """Serve no further request. One that is being answered is finished."""
        if self._exchange is None and not self._lingering:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._transport.abort()

    def returned(self, exchange: Exchange, error: BaseException | None) -> None:
        """The application has done what it does for a request. An answer that it left short is not presented as one."""
        if error is not None and not isinstance(error, ClientGone | asyncio.CancelledError):
            _log.error("listener.application_failed", exc_info=error)
        if exchange is not self._exchange or (exchange.answer.complete and error is None):
            return
        if error is None:
            _log.error("listener.answer_is_short", target=exchange.head.target)
        self._give_up(exchange, "gateway.error")

    # What the event loop calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # what TCP gives
        """A client is here, or one too many."""
        self._transport = transport
        self.client = address(transport.get_extra_info("peername"))
        self.server = address(transport.get_extra_info("sockname"))
        if self._home.admit(self):
            self._deadline.set(self._limits.head_ms)
        else:
            self._turn_away()

    def data_received(self, content: bytes) -> None:
        """Bytes from the client: of a head, of a body, or of what comes behind."""
        exchange = self._exchange
        if self._lingering:
            self._drop(len(content))
        elif exchange is None:
            self._read_head(content)
        elif exchange.body_complete:
            self._read_ahead(content)
        else:
            self._read_body(exchange, content)

    def eof_received(self) -> bool:
        """The client sends no more, and may wait for its answer. True keeps our side open."""
        self._half_closed = True
        exchange = self._exchange
        if self._lingering:
            self._transport.close()
        elif exchange is None:
            self._end_of_requests()
        elif not exchange.body_complete:
            exchange.break_off()
        return True

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  # whatever the reason, it is gone
        """The socket is closed."""
        self._deadline.cancel()
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.lose()
        self._lingering = True
        self.resume_writing()
        self._home.gone(self)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        self._room = self._loop.create_future()
        self._window_bytes = None
        self._deadline.set(self._limits.write_stall_ms)

    def resume_writing(self) -> None:
        """There is room again."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)
        if self._lingering:
            return
        self._deadline.clear()
        if self._exchange is None:
            self._deadline.set(self._limits.idle_ms)
        elif self._exchange.waiting and not self._exchange.body_complete:
            self._open_window()

    # What the exchange calls.

    @property
    def ending(self) -> bool:
        """Whether no further request is served."""
        return self._home.draining or (self._half_closed and not self._ahead)

    def wants_body(self, exchange: Exchange) -> None:
        """The application waits for the body: the client is told if it asked, and must send it from now on."""
        if exchange.continues:
            exchange.continues = False
            if not exchange.answer.started:
                self._transport.write(_CONTINUE)
        if self._window_bytes is None and self._room is None:
            self._open_window()

    def has_room(self) -> None:
        """Read on."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    async def write(self, parts: tuple[bytes, ...]) -> None:
        """Send, and wait while more than the transport's high water is unread."""
        for part in parts:
            self._transport.write(part)
        if self._room is not None:
            await self._room
            if self._lingering:
                raise ClientGone("the client has gone")

    def answered(self, exchange: Exchange) -> None:
        """The answer is complete: on to the next request, or to the end."""
        self._exchange = self._window_bytes = None
        if exchange.answer.closes or not exchange.body_complete or self.ending:
            self._linger()
            return
        self._deadline.set(self._limits.idle_ms)
        self.has_room()
        if self._ahead:
            content = bytes(self._ahead)
            self._ahead.clear()
            self._read_head(content)

    # How requests are read.

    def _read_head(self, content: bytes) -> None:
        heads = self._heads
        begun, head = heads.begun, heads.read(content)
        if head is None:
            if self._half_closed:
                self._end_of_requests()
            elif heads.begun and not begun:
                self._deadline.set(self._limits.head_ms)
        elif isinstance(head, str):
            self._refuse(head, Sent.NO)
        else:
            self._begin(head, heads.rest)

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        exchange = self._exchange = Exchange(head, self, self._loop)
        self._deadline.clear()
        self._home.run(self, exchange)
        if exchange.body_complete:
            if rest:
                self._read_ahead(rest)
            return
        self._body = ChunkedBody(self._limits) if head.length is None else SizedBody(head.length)
        if rest:
            self._read_body(exchange, rest)
        if self._half_closed and not exchange.body_complete:
            exchange.break_off()

    def _read_body(self, exchange: Exchange, content: bytes) -> None:
        part, rest = self._body.read(content)
        if self._window_bytes is not None:
            self._window_bytes += len(part)
        if self._body.fault is not None:
            self._give_up(exchange, self._body.fault)
            return
        if exchange.push(part, complete=self._body.complete) > self._limits.read_ahead_bytes_max:
            self._pause()
        if exchange.body_complete and self._window_bytes is not None:
            self._window_bytes = None
            self._deadline.clear()
        if rest:
            self._read_ahead(rest)

    def _read_ahead(self, content: bytes) -> None:
        self._ahead += content
        if len(self._ahead) > self._limits.read_ahead_bytes_max:
            self._pause()

    def _pause(self) -> None:
        if not self._paused and not self._half_closed:
            self._paused = True
            self._transport.pause_reading()

    def _open_window(self) -> None:
        self._window_bytes = 0
        self._deadline.set(self._limits.body_progress_ms)

    # How a connection ends.

    def _end_of_requests(self) -> None:
        if self._heads.begun:
            self._refuse(MALFORMED, Sent.NO)
        else:
            self._transport.close()

    def _give_up(self, exchange: Exchange, code: str) -> None:
        """Say why, if nothing of the answer was said yet; else break it off."""
        self._exchange = None
        exchange.lose()
        if exchange.answer.started:
            self.abort()
        else:
            self._refuse(code, Sent.UNKNOWN, exchange.head.verb)

    def _refuse(self, code: str, sent: Sent, verb: str = "GET") -> None:
        self._transport.write(refusal(code, sent, self.client, verb=verb))
        self._linger()

    def _turn_away(self) -> None:
        """No room: said once, and not even read."""
        self._lingering = True
        self._deadline.set(self._limits.linger_ms)
        self._transport.write(refusal("gateway.overloaded", Sent.NO, self.client))
        self._transport.close()

    def _linger(self) -> None:
        self._lingering = True
        self._ahead.clear()
        transport = self._transport
        self._deadline.set(self._limits.linger_ms)
        if self._half_closed or transport.is_closing():
            transport.close()
        else:
            self.has_room()
            transport.write_eof()

    def _drop(self, count: int) -> None:
        self._lingered_bytes += count
        if self._lingered_bytes > self._limits.linger_bytes_max:
            self._transport.abort()

    def _late(self) -> None:
        exchange = self._exchange
        if self._lingering and self._patient and self._transport.get_write_buffer_size():
            self._patient = False
            self._deadline.set(self._limits.write_stall_ms)
        elif self._lingering or self._room is not None:
            self.abort()
        elif exchange is None:
            self._say_nothing_or_timeout()
        elif self._window_bytes is None or not exchange.waiting:
            self._window_bytes = None
        elif self._window_bytes >= self._limits.body_progress_bytes_min:
            self._open_window()
        else:
            self._give_up(exchange, "request.timeout")

    def _say_nothing_or_timeout(self) -> None:
        if self._heads.begun:
            self._refuse("request.timeout", Sent.NO)
        elif self._transport.get_write_buffer_size():
            self.abort()
        else:
            self._transport.close()
