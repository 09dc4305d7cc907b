"""Where the body of a request ends (RFC 9112 sections 6.2 and 7.1): after so many bytes, or after the last chunk.

httptools can read chunks but tells neither where in the stream the last one ended nor how much it skipped beside them;
both decide here what is a request. Nothing is forgiven, and the trailer section is kept apart: a field that comes after
the request was judged is no field.
"""

import re

from guard.model.facts import Field
from guard.server.head import MALFORMED
from guard.server.limits import Limits

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;%b(?:=(?:%b|%b))?)*+)" % (_TOKEN, _TOKEN, _QUOTED))
_TRAILER = re.compile(rb"%b:[\t\x20-\x7e\x80-\xff]*" % _TOKEN)
_NO_TRAILERS = frozenset({b"content-length", b"transfer-encoding", b"host"})
"""They frame or route a message (RFC 9110 section 6.5.1); who sends them last hopes that somebody believes them."""


class SizedBody:
    """A body whose length was announced."""

    fault: str | None = None

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def complete(self) -> bool:
        """Whether its last byte was read."""
        return self._left == 0

    def read(self, content: bytes) -> tuple[bytes, bytes]:
        """What of `content` is body, and what comes behind it."""
        if len(content) <= self._left:
            self._left -= len(content)
            return content, b""
        left, self._left = self._left, 0
        return content[:left], content[left:]


class ChunkedBody:
    """A body in chunks. `fault` is the code of a refusal once it is ill-formed; nothing is read after that.

    Its trailers are added to a list as they come.
    """

    def __init__(self, limits: Limits, trailers: list[Field]) -> None:
        self._limits = limits
        self._trailers = trailers
        self._held = bytearray()
        self._left = 0
        self._extension_bytes = 0
        self._trailer_bytes = 0
        self._next = self._size
        self._body: list[bytes] = []
        self.complete = False
        self.fault: str | None = None

    def read(self, content: bytes) -> tuple[bytes, bytes]:
        """What `content` adds to the body, and what comes behind the body's end."""
        self._held += content
        while not self.complete and self.fault is None and self._next():
            pass
        body = b"".join(self._body)
        self._body.clear()
        if not self.complete:
            return body, b""
        rest = bytes(self._held)
        self._held.clear()
        return body, rest

    # Each of these does one step and says whether another can follow with what is here.

    def _size(self) -> bool:
        line = self._line(self._limits.chunk_line_bytes_max)
        if line is None:
            return False
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            return self._fail()
        self._extension_bytes += len(match[2])
        if self._extension_bytes > self._limits.chunk_extension_bytes_max:
            return self._fail()
        self._left = int(match[1], 16)
        self._next = self._chunk if self._left else self._trailer
        return True

    def _chunk(self) -> bool:
        part = bytes(self._held[: self._left])
        if not part:
            return False
        del self._held[: len(part)]
        self._body.append(part)
        self._left -= len(part)
        if not self._left:
            self._next = self._chunk_end
        return True

    def _chunk_end(self) -> bool:
        if not b"\r\n".startswith(self._held[:2]):
            return self._fail()
        if len(self._held) < 2:  # noqa: PLR2004  # CR LF
            return False
        del self._held[:2]
        self._next = self._size
        return True

    def _trailer(self) -> bool:
        line = self._line(self._limits.trailer_bytes_max - self._trailer_bytes)
        if line is None:
            return False
        self._trailer_bytes += len(line) + 2
        if not line:
            self.complete = True
            return True
        name, _, value = line.partition(b":")
        if not _TRAILER.fullmatch(line) or name.lower() in _NO_TRAILERS:
            return self._fail()
        self._trailers.append((name.lower(), value.strip(b" \t")))
        return True

    def _line(self, bytes_max: int) -> bytes | None:
        """The next line, without its end. None if it is not here yet, or is a fault already."""
        end = self._held.find(b"\r\n", 0, bytes_max + 2)
        if end >= 0:
            line = bytes(self._held[:end])
            del self._held[: end + 2]
            return line
        begun = self._held.removesuffix(b"\r")
        if len(begun) > bytes_max or b"\n" in begun or b"\r" in begun:
            self._fail()
        return None

    def _fail(self) -> bool:
        self.fault = MALFORMED
        return False
