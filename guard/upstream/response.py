"""A backend's bytes become one answer at a time. No socket and no clock.

A head is cut out of the stream and judged whole (`response_head.py`), so that no way of cutting the stream changes the
verdict. Decided here: which answers have no body (RFC 9110 §6.4.1: to HEAD, 1xx, 204, 304), where a body ends, that 1xx
answers are not the answer, and whether another may follow on the same connection: any byte after the end of a body
makes the reader unfit for more.
"""

from guard.model.facts import Field
from guard.upstream.chunked import ChunkedBody
from guard.upstream.response_head import BEGINNING, FINAL, ResponseHead, read_head

HEAD_BYTES_MAX = 64 * 1024
GATHERED_BYTES_MAX = 64 * 1024

_END = b"\n\r\n"  # found in half the time that CR LF CR LF takes; llhttp insists on the first CR
_NO_CONTENT, _NOT_MODIFIED = 204, 304
_NONE = ResponseHead(0, b"", (), None, chunked=False, stays=False, kept_ms=None)


class ResponseReader:
    """Reads the answers of one connection, in order: `begin`, then `feed` until `complete`, then `begin` again.

    After `complete` a new `begin` is allowed only if `reusable`. `head` says nothing before `head_seen`.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self.begin("GET")

    def begin(self, verb: str) -> None:
        """An answer to a request with this method comes next."""
        self._to_head = verb == "HEAD"
        self._head_room = HEAD_BYTES_MAX
        self._missing_bytes: int | None = None
        self._chunked: ChunkedBody | None = None
        self._content: list[bytes] = []
        self.head = _NONE
        self.trailers: list[Field] = []
        self.head_seen = False
        self.complete = False
        self.reusable = False

    def feed(self, content: bytes) -> str | None:
        """Take bytes in. Returns what is wrong with them (for the log), None as long as they can become an answer."""
        if self.head_seen:
            return self._body(content)
        if self._held:
            content = self._joined(content)
        while content:
            size = content.find(_END, 0, self._head_room) + len(_END)
            if size < len(_END):
                self._held += content
                return self._fault_so_far()
            head = read_head(content[:size])
            if isinstance(head, str):
                return head
            if head.status >= FINAL:
                return self._begun(head, content, size)
            self._head_room -= size
            content = content[size:]
        return self._fault_so_far()

    def finish(self) -> bool:
        """The backend has closed its side. Whether that was a proper end of the answer."""
        if self.head_seen and self._chunked is None and self._missing_bytes is None:
            self.complete = True
            self.reusable = False
        return self.complete

    @property
    def gathers(self) -> bool:
        """Whether the body is so small that it is worth waiting for the whole of it."""
        return self.head.length is not None and self.head.length <= GATHERED_BYTES_MAX

    def take(self) -> bytes:
        """The content that has come since the last call."""
        chunks = self._content
        content = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        return content

    def _joined(self, content: bytes) -> bytes:
        """All that is held, if `content` may have completed a head; else nothing, and it is held too."""
        held = self._held
        searched = max(len(held) - len(_END) + 1, 0)
        held += content
        if held.find(_END, searched) < 0:
            return b""
        joined = bytes(held)
        held.clear()
        return joined

    def _fault_so_far(self) -> str | None:
        """What is wrong with a head whose end is not here yet."""
        held = self._held
        if not held.startswith(BEGINNING[: len(held)]):
            return "the answer does not begin with a status line"
        if held.count(b"\n") != held.count(b"\r\n"):
            return "a line of the answer's head ends in a bare line feed"
        return "the head of the answer is too large" if len(held) >= self._head_room else None

    def _begun(self, head: ResponseHead, content: bytes, size: int) -> str | None:
        """The final head is here; what is behind it belongs to the body."""
        self.head = head
        self.head_seen = True
        self.reusable = head.stays
        if self._to_head or head.status in (_NO_CONTENT, _NOT_MODIFIED):
            self._missing_bytes = 0
            if head.status == _NO_CONTENT and (head.length or head.chunked):
                self.reusable = False  # a body may be on its way all the same
        elif head.chunked:
            self._chunked = ChunkedBody(self._content, self.trailers)
        else:
            self._missing_bytes = head.length
        self.complete = self._missing_bytes == 0
        return self._body(content[size:]) if size < len(content) else None

    def _body(self, content: bytes) -> str | None:
        missing = self._missing_bytes
        if self._chunked is not None:
            return self._unchunk(self._chunked, content)
        if missing is None:
            self._content.append(content)
        elif missing >= len(content):
            self._content.append(content)
            self._missing_bytes = missing - len(content)
            self.complete = missing == len(content)
        else:
            self._content.append(content[:missing])
            self._missing_bytes = 0
            self.complete = True
            self.reusable = False
        return None

    def _unchunk(self, chunked: ChunkedBody, content: bytes) -> str | None:
        fault = chunked.feed(content)
        self.complete = chunked.complete
        self.reusable = self.reusable and not chunked.surplus
        return fault
