"""The bytes of one answer (RFC 9112 sections 4, 6 and 7): status line, fields and body, framed so that its end is sure.

The framing is the listener's own: a length if it is known, chunks for HTTP/1.1, the end of the connection for HTTP/1.0.
An application that contradicts itself gets a ValueError, and its client never a part that looks like the whole.
"""

import time
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from guard.model.facts import Field

_STATUS_LINES = {
    status: b"HTTP/1.1 %d %b"
    % (status, HTTPStatus(status).phrase.encode() if status in HTTPStatus._value2member_map_ else b"")
    for status in range(200, 600)
}
_LOOKED_AT = frozenset({b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"date"})
_NO_LENGTH = 204  # not even 0 (RFC 9110 section 8.6)
_NO_BODY = (_NO_LENGTH, 304)
_ONE_WRITE_BYTES_MAX = 64 * 1024
_LAST_CHUNK = b"0\r\n\r\n"
_DATE = b"\r\ndate: "
_STAYING, _CLOSING = b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"


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

    def whole(self, status: int, lines: Sequence[bytes], body: bytes) -> tuple[bytes, ...]:
        """What is to be written for an answer with a body, all at once. `lines` are its fields but for the framing.

        Each is `name: value`, the name in lower case. Raises ValueError where a line end or a NUL stands in one.
        """
        if self._status or self._bodiless or status in _NO_BODY:
            raise ValueError("one final answer that has a body")
        head = b"\r\n".join((_STATUS_LINES[status], *lines))
        if len(head.translate(None, b"\r\n\0")) != len(head) - 2 * len(lines):
            raise ValueError("a line end or a NUL in a field of the answer")
        if _DATE not in head:
            head = b"%b\r\n%b" % (head, date_line())
        self._status = status
        self.started = self.complete = True
        head = b"%b\r\ncontent-length: %d%b" % (head, len(body), _CLOSING if self.closes else _STAYING)
        return (head, body) if len(body) > _ONE_WRITE_BYTES_MAX else (head + body,)

    def _head(self, size: int, *, more: bool) -> bytes:
        lines = [_STATUS_LINES[self._status]]
        dated = False
        for field in self._fields:
            name = field[0].lower()
            if name not in _LOOKED_AT:
                lines.append(b": ".join(field))
            elif name == b"date":
                dated = True
                lines.append(b": ".join(field))
            else:
                self._obey(name, field[1])
        if not dated:
            lines.append(date_line())
        self._frame(lines, size, more=more)
        head = b"\r\n".join(lines)
        if len(head.translate(None, b"\r\n\0")) != len(head) - 2 * (len(lines) - 1):
            raise ValueError("a line end or a NUL in a field of the answer")
        return head + b"\r\n\r\n"

    def _obey(self, name: bytes, value: bytes) -> None:
        if name == b"connection":
            self.closes = self.closes or b"close" in value.lower()
        if name != b"content-length":
            return
        if self._left is not None or not value.isdigit():
            raise ValueError("one content-length, in digits")
        self._left = int(value)

    def _frame(self, lines: list[bytes], size: int, *, more: bool) -> None:
        if self._left is None and not self._bodiless:
            if not more:
                self._left = size
            elif self._chunks:
                self._chunked = True
                lines.append(b"transfer-encoding: chunked")
            else:
                self.closes = True
        if self._left is not None and self._status != _NO_LENGTH:
            lines.append(b"content-length: %d" % self._left)
        if self.closes:
            lines.append(b"connection: close")


def date_line() -> bytes:
    """The Date field of this second (RFC 9110 section 6.6.1)."""
    return _date_line(int(time.time()))


@lru_cache(maxsize=1)
def _date_line(second: int) -> bytes:
    return b"date: %b" % formatdate(second, usegmt=True).encode()


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body) if body else b""
