"""One connection of a client: its requests one after the other, each answered before the next is looked at.

So answers cannot be confused, no request behind a broken one is served, and what is read ahead is bounded by bytes. How
it ends is in `farewell`.
"""

import asyncio

import structlog

from guard.model.exchange import Sent
from guard.server.deadline import Deadline
from guard.server.exchange import ClientGone, Exchange
from guard.server.farewell import Farewell
from guard.server.framing import ChunkedBody, SizedBody
from guard.server.head import MALFORMED, HeadReader, RequestHead
from guard.server.home import Home
from guard.server.peer import Names, Peer, peer_of
from guard.server.refusal import Stage, refusal
from guard.server.tls import Secured

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_log = structlog.get_logger()


class Connection(asyncio.Protocol):
    """See the module. `names` are the addresses that a trusted proxy told; `visit` is who came through the doorway."""

    def __init__(
        self,
        home: Home,
        loop: asyncio.AbstractEventLoop,
        names: Names | None = None,
        secured: Secured | None = None,
        visit: object = None,
    ) -> None:
        self.home = home
        self._limits = home.limits
        self._loop = loop
        self._origin = (names, secured, visit)
        self._transport: asyncio.Transport
        self._heads = HeadReader(home.limits)
        self._deadline = Deadline(loop, self._late)
        self._exchange: Exchange | None = None
        self._farewell: Farewell | None = None
        self._body: SizedBody | ChunkedBody
        self._ahead = bytearray()
        self._room: asyncio.Future[None] | None = None
        self._paused = self._half_closed = False
        self._window_bytes: int | None = None
        self.peer: Peer

    # What the listener calls.

    def drain(self) -> None:
        """Serve one request at most, if it is on its way. One that is being answered is finished."""
        if self._exchange is None and self._farewell is None:
            self._deadline.set(self._limits.drain_idle_ms)

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
        self._give_up(exchange, "gateway.error", Stage.ANSWER)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # what TCP gives
        """A client is here, or one too many."""
        self._transport = transport
        names, secured, visit = self._origin
        self.peer = peer_of(transport, names, secured)
        if not self.home.admit(self, visit):
            self._refuse("gateway.overloaded", Sent.NO, Stage.CONNECTION)
            transport.close()  # unread
        elif self.home.draining:
            self.drain()
        else:
            self._deadline.set(self._limits.head_ms)

    def data_received(self, content: bytes) -> None:
        """Bytes from the client: of a head, of a body, or of what comes behind."""
        exchange = self._exchange
        if self._farewell is not None:
            self._farewell.drop(len(content))
        elif exchange is None and not self._ahead:
            self._read_head(content)
        elif exchange is None or exchange.body_complete:
            self._read_ahead(content)
        else:
            self._read_body(exchange, content)

    def eof_received(self) -> bool:
        """The client sends no more, and may wait for its answer. True keeps our side open, which TLS cannot."""
        self._half_closed = True
        exchange = self._exchange
        if self._farewell is not None:
            self._transport.close()
        elif exchange is None:
            self._end_of_requests()
        elif not exchange.body_complete:
            exchange.break_off()
        return self.peer.tls is None

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  # whatever the reason, it is gone
        """The socket is closed."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.lose()
            self.home.orphaned(exchange)
            self.peer.leave()
        self._bid_farewell()
        self._deadline.cancel()
        self.resume_writing()
        self.home.gone(self)

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
        if self._farewell is not None:
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
        return self.home.draining or (self._half_closed and not self._ahead)

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

    def write(self, parts: tuple[bytes, ...]) -> asyncio.Future[None] | None:
        """Send. A future while more than the transport's high water is unread."""
        for part in parts:
            self._transport.write(part)
        return self._room

    def answered(self, exchange: Exchange) -> None:
        """The answer is complete: on to the next request, or to the end."""
        self._exchange = self._window_bytes = None
        if exchange.answer.closes or not exchange.body_complete or self.ending:
            self._linger(heard_all=exchange.body_complete and not self._ahead)
        else:
            self._deadline.set(self._limits.idle_ms)
            self.has_room()
            if self._ahead:
                self._loop.call_soon(self._read_on)

    # How requests are read.

    def _read_on(self) -> None:
        """What came behind the request that was answered. Others have their turn in between."""
        if self._exchange is None and self._farewell is None:
            content, self._ahead = bytes(self._ahead), bytearray()
            self._read_head(content)

    def _read_head(self, content: bytes) -> None:
        heads = self._heads
        begun, head = heads.begun, heads.read(content)
        if head is None:
            if self._half_closed:
                self._end_of_requests()
            elif heads.begun and not begun:
                self._deadline.set(self._limits.head_ms)
        elif isinstance(head, str):
            self._refuse(head, Sent.NO, Stage.HEAD)
        else:
            self._begin(head, heads.rest)

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        exchange = self._exchange = Exchange(head, self.peer, self, self._loop)
        self._deadline.clear()
        length = head.length
        if length is not None and length <= len(rest):  # the body came with its head, or there is none
            if length:
                exchange.push(rest[:length], complete=True)
            self._ahead += rest[length:]
            self.home.run(exchange)
            return
        self.home.run(exchange)
        self._body = ChunkedBody(self._limits, exchange.trailers) if length is None else SizedBody(length)
        if rest:
            self._read_body(exchange, rest)
        if self._half_closed and not exchange.body_complete:
            exchange.break_off()

    def _read_body(self, exchange: Exchange, content: bytes) -> None:
        part, rest = self._body.read(content)
        if self._window_bytes is not None:
            self._window_bytes += len(part)
        if self._body.fault is not None:
            self._give_up(exchange, self._body.fault, Stage.BODY)
            return
        self._pause_above(exchange.push(part, complete=self._body.complete))
        if exchange.body_complete and self._window_bytes is not None:
            self._window_bytes = None
            self._deadline.clear()
        if rest:
            self._read_ahead(rest)

    def _read_ahead(self, content: bytes) -> None:
        self._ahead += content
        self._pause_above(len(self._ahead))

    def _pause_above(self, held_bytes: int) -> None:
        if held_bytes > self._limits.read_ahead_bytes_max and not self._paused and not self._half_closed:
            self._paused = True
            self._transport.pause_reading()

    def _open_window(self) -> None:
        self._window_bytes = 0
        self._deadline.set(self._limits.body_progress_ms)

    # How a connection ends.

    def _end_of_requests(self) -> None:
        if self._heads.begun:
            self._refuse(MALFORMED, Sent.NO, Stage.HEAD)
        elif not self._ahead:
            self._transport.close()

    def _give_up(self, exchange: Exchange, code: str, stage: Stage) -> None:
        """Say why, if nothing of the answer was said yet; else break it off."""
        self._exchange = None
        exchange.lose()
        if exchange.answer.started:
            self.abort()
        else:
            self._refuse(code, Sent.UNKNOWN, stage, exchange.head.verb)

    def _refuse(self, code: str, sent: Sent, stage: Stage, verb: str = "GET") -> None:
        answer, refused = refusal(code, sent, self.peer.client and self.peer.client[0], stage, verb=verb)
        self._transport.write(answer)
        self.home.refused(refused)
        self._linger(heard_all=False)

    def _linger(self, *, heard_all: bool) -> None:
        self._ahead.clear()
        if not self._transport.is_closing():
            self.has_room()
        self._bid_farewell().wave(heard_all=self._half_closed or (heard_all and self.peer.tls is not None))

    def _bid_farewell(self) -> Farewell:
        if self._farewell is None:
            self._farewell = Farewell(self._transport, self._deadline, self._limits)
        return self._farewell

    def _late(self) -> None:
        exchange = self._exchange
        if self._farewell is not None:
            self._farewell.late()
        elif self._room is not None:
            self.abort()
        elif exchange is None and self._heads.begun:
            self._refuse("request.timeout", Sent.NO, Stage.HEAD)
        elif exchange is None and self._transport.get_write_buffer_size():
            self.abort()
        elif exchange is None:
            self._transport.close()
        elif self._window_bytes is None or not exchange.waiting:
            self._window_bytes = None
        elif self._window_bytes >= self._limits.body_progress_bytes_min:
            self._open_window()
        else:
            self._give_up(exchange, "request.timeout", Stage.BODY)
