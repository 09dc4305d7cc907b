"""The bytes of one answer (RFC 9112 sections 4, 6 and 7): status line, fields and body, framed so that its end is sure.

The framing is the listener's own: a length if it is known, chunks for HTTP/1.1, the end of the connection for HTTP/1.0.
An application that contradicts itself gets a ValueError, and its client never a part that looks like the whole.
"""

import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from guard.model.facts import Field

_STATUS_LINES = {
    status: b"HTTP/1.1 %d %b\r\n"
    % (status, HTTPStatus(status).phrase.encode() if status in HTTPStatus._value2member_map_ else b"")
    for status in range(200, 600)
}
_OURS = frozenset({b"content-length", b"transfer-encoding", b"connection", b"keep-alive"})
_NO_LENGTH = 204  # not even 0 (RFC 9110 section 8.6)
_NO_BODY = (_NO_LENGTH, 304)
_ONE_WRITE_BYTES_MAX = 64 * 1024
_LAST_CHUNK = b"0\r\n\r\n"


class Answer:
    """One answer on its way. `closes` says that the connection ends with it."""

    __slots__ = ("_bodiless", "_chunked", "_chunks", "_fields", "_left", "_status", "closes", "complete", "started")

    def __init__(self, verb: str, version: str, *, closes: bool) -> None:
        self._bodiless = verb == "HEAD"
        self._chunks = version == "1.1"
        self._chunked = False
        self._status = 0
        self._fields: Iterable[Field] = ()
        self._left: int | None = None
        self.closes = closes
        self.started = False
        self.complete = False

    def start(self, status: int, fields: Iterable[Field]) -> None:
        """Keep status and fields; they go out with the first part of the body."""
        if self._status or status not in _STATUS_LINES:
            raise ValueError("one final status, from 200 to 599")
        self._status, self._fields = status, fields
        self._bodiless = self._bodiless or status in _NO_BODY

    def part(self, body: bytes, *, more: bool) -> tuple[bytes, ...]:
        """What is to be written for a part of the body. Raises ValueError for too much or too little of it."""
        if not self._status or self.complete:
            raise ValueError("a body goes between the start and the end of an answer")
        head = b"" if self.started else self._head(len(body), more=more)
        self.complete = not more
        self.started = True
        if self._bodiless:
            return (head,) if head else ()
        if self._chunked:
            body = _chunk(body) if more else _chunk(body) + _LAST_CHUNK
        elif self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise ValueError("the body is not as long as its content-length says")
        if len(body) > _ONE_WRITE_BYTES_MAX:
            return (head, body) if head else (body,)
        content = head + body
        return (content,) if content else ()

    def _head(self, size: int, *, more: bool) -> bytes:
        parts = [_STATUS_LINES[self._status]]
        dated = False
        for name, value in self._fields:
            if (lower := name.lower()) not in _OURS:
                parts.append(b"%b: %b\r\n" % (name, value))
                dated = dated or lower == b"date"
            elif lower == b"content-length":
                self._announce(value)
                if self._status != _NO_LENGTH:
                    parts.append(b"%b: %b\r\n" % (lower, value))
            elif lower == b"connection":
                self.closes = self.closes or b"close" in value.lower()
        if not dated:
            parts.append(date_line())
        if framing := self._framing(size, more=more):
            parts.append(framing)
        if self.closes:
            parts.append(b"connection: close\r\n")
        head, lines = b"".join(parts), len(parts)
        if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
            raise ValueError("a line end or a NUL in a field of the answer")
        return head + b"\r\n"

    def _announce(self, value: bytes) -> None:
        if self._left is not None or not value.isdigit():
            raise ValueError("one content-length, in digits")
        self._left = int(value)

    def _framing(self, size: int, *, more: bool) -> bytes:
        if self._left is not None or self._bodiless:
            return b""
        if more:
            self._chunked = self._chunks
            self.closes = self.closes or not self._chunks
            return b"transfer-encoding: chunked\r\n" if self._chunks else b""
        self._left = size
        return b"content-length: %d\r\n" % size


def date_line() -> bytes:
    """The Date field of this second (RFC 9110 section 6.6.1)."""
    return _date_line(int(time.time()))


@lru_cache(maxsize=1)
def _date_line(second: int) -> bytes:
    return b"date: %b\r\n" % formatdate(second, usegmt=True).encode()


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body) if body else b""
