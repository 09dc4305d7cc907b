"""A cheap client for load: one connection, one request at a time, answers read without mercy. Not a test's judge of
well-formedness: that is `tests/system/raw_http.py`.
"""

import asyncio
import socket
from typing import Self

import msgspec


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What counts of an answer. `sent`, `reason` and `request_id` are fields of guard, empty where they are missing."""

    status: int
    body: bytes
    sent: bytes
    request_id: bytes
    closes: bool
    reason: bytes = b""


class Caller(asyncio.Protocol):
    """A connection to the gateway. `ask` raises ConnectionError if it ends without a whole answer."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._asked: asyncio.Future[Answer] | None = None
        self._held = b""
        self._head: bytes | None = None
        self._length = 0
        self.transport: asyncio.Transport
        self.gone = False

    @classmethod
    async def connect(cls, port: int, source: str = "127.0.0.1", receive_bytes: int | None = None) -> Self:
        """Connect from an address of 127.0.0.0/8. `receive_bytes` makes the kernel's buffer small."""
        made = socket.socket()
        made.settimeout(0)
        if receive_bytes is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            made.bind((source, 0))
            loop = asyncio.get_running_loop()
            await loop.sock_connect(made, ("127.0.0.1", port))
            _, caller = await loop.create_connection(cls, sock=made)
        except BaseException:
            made.close()
            raise
        return caller

    async def ask(self, content: bytes) -> Answer:
        """Send a request, await its answer."""
        return await self.asked(content)

    def asked(self, content: bytes) -> asyncio.Future[Answer]:
        """Send a request; the future gets its answer."""
        asked = self._asked = self._loop.create_future()
        if self.gone:
            asked.set_exception(ConnectionResetError("closed before the request"))
        else:
            self.transport.write(content)
        return asked

    def close(self) -> None:
        self.transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # what TCP gives
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.gone = True
        asked, self._asked = self._asked, None
        if asked is not None and not asked.done():
            asked.set_exception(ConnectionResetError(f"closed without a whole answer: {error}"))

    def data_received(self, content: bytes) -> None:
        self._held += content
        if self._head is None:
            head, end, rest = self._held.partition(b"\r\n\r\n")
            if not end:
                return
            self._head, self._held = head, rest
            self._length = int(_value(head, b"content-length"))
        if len(self._held) >= self._length:
            self._whole(self._head)

    def _whole(self, head: bytes) -> None:
        body, self._held = self._held[: self._length], self._held[self._length :]
        self._head = None
        asked, self._asked = self._asked, None
        assert asked is not None, "an answer that nobody asked for"
        if not asked.done():
            sent, request_id = _value(head, b"guard-sent"), _value(head, b"guard-request-id")
            closes = _value(head, b"connection") == b"close"
            reason = _value(head, b"guard-reason")
            asked.set_result(Answer(int(head[9:12]), body, sent, request_id, closes, reason))


def _value(head: bytes, name: bytes) -> bytes:
    """The value of a field that guard writes in lower case."""
    return head.partition(b"\r\n" + name + b": ")[2].partition(b"\r\n")[0]
