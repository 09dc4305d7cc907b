"""A backend's bytes become one answer at a time. No socket and no clock; llhttp parses, this says what it leaves open.

Which answers have no body (RFC 9110 §6.4.1: to HEAD, 1xx, 204, 304), where a body ends (RFC 9112 §6.3), that trailers
are no fields, that 1xx answers are not the answer, and whether another may follow on the same connection. Stricter than
the RFC where two readers could differ: the only transfer coding is one `chunked`, in HTTP/1.1, and no Content-Length
beside it. An empty line after an answer is skipped, as llhttp does; any other byte after the end makes the reader unfit
for more.
"""

from httptools import HttpParserError, HttpResponseParser

from guard.model.facts import Field

HEAD_BYTES_MAX = 64 * 1024
FIELDS_MAX = 200
GATHERED_BYTES_MAX = 64 * 1024

_STATUS_LINE_BYTES = len(b"HTTP/1.1 200 \r\n\r\n")
_FIELD_BYTES = len(b": \r\n")
_SWITCHING_PROTOCOLS, _FINAL, _STATUS_MAX = 101, 200, 599
_NO_CONTENT, _NOT_MODIFIED = 204, 304


class ResponseReader:
    """Reads the answers of one connection, in order: `begin`, then `feed` until `complete`, then `begin` again.

    After `complete` a new `begin` is allowed only if `reusable`. The lists of an answer are never touched again.
    """

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._parser_waits = False
        self.begin("GET")

    def begin(self, verb: str) -> None:
        """An answer to a request with this method comes next."""
        if self._parser_waits:  # llhttp still waits for the body that an answer to HEAD announces and does not have
            self._parser = HttpResponseParser(self)
        self._parser_waits = self._to_head = verb == "HEAD"
        self._informational = False
        self._fault: str | None = None
        self._mute_bytes = 0
        self._chunked = False
        self._length: int | None = None
        self._until_close = False
        self._chunks: list[bytes] = []
        self.status = 0
        self.reason = b""
        self.fields: list[Field] = []
        self.trailers: list[Field] = []
        self.head_seen = False
        self.complete = False
        self.reusable = False

    def feed(self, content: bytes) -> str | None:
        """Take bytes in. Returns what is wrong with them (for the log), None as long as they can become an answer."""
        self._mute_bytes += len(content)
        try:
            self._parser.feed_data(content)
        except HttpParserError as error:
            if not self.complete:
                return self._fault or f"the answer is ill-formed: {error}"
            self.reusable = False
        if self._mute_bytes > HEAD_BYTES_MAX and not self.complete:
            return "the answer says too much beside its body"
        return None

    def finish(self) -> bool:
        """The backend has closed its side. Whether that was a proper end of the answer."""
        if self.head_seen and self._until_close:
            self.complete = True
            self.reusable = False
        return self.complete

    @property
    def gathers(self) -> bool:
        """Whether the body is so small that it is worth waiting for the whole of it."""
        return self._length is not None and self._length <= GATHERED_BYTES_MAX

    def take(self) -> bytes:
        """The content that has come since the last call."""
        chunks = self._chunks
        if len(chunks) == 1:
            content = chunks[0]
            chunks.clear()
            return content
        content = b"".join(chunks)
        chunks.clear()
        return content

    def on_message_begin(self) -> None:
        """llhttp: the first byte of a status line."""
        if self.complete:
            raise self._stop("bytes after the end of the answer")

    def on_status(self, reason: bytes) -> None:
        """llhttp: a piece of the reason phrase."""
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """llhttp: a field line, or a trailer."""
        fields = self.trailers if self.head_seen else self.fields
        if len(fields) >= FIELDS_MAX:
            raise self._stop("the answer has too many fields")
        name = name.lower()
        value = value.rstrip(b" \t")
        fields.append((name, value))
        if self.head_seen:
            return
        if name == b"content-length":
            self._length = int(value)
        elif name == b"transfer-encoding":
            if self._chunked or value.lower() != b"chunked":
                raise self._stop("the answer has a transfer coding other than one `chunked`")
            self._chunked = True

    def on_headers_complete(self) -> None:
        """llhttp: the empty line after the fields."""
        parser = self._parser
        status = parser.get_status_code()
        if self._mute_bytes > HEAD_BYTES_MAX and self._head_bytes() > HEAD_BYTES_MAX:
            raise self._stop("the head of the answer is too large")
        if status < _FINAL:
            if status < 100 or status == _SWITCHING_PROTOCOLS:  # noqa: PLR2004  # 100 is where the codes begin
                raise self._stop(f"an answer with status {status} was not asked for")
            self._informational = True
            return
        version = parser.get_http_version()
        if status > _STATUS_MAX or not (version == "1.1" or (version == "1.0" and not self._chunked)):
            raise self._stop("the answer has a status, version or framing that does not exist")
        self.status = status
        self.head_seen = True
        self.reusable = parser.should_keep_alive()
        self._frame()

    def on_body(self, content: bytes) -> None:
        """llhttp: a piece of the body, without its transfer coding."""
        if self.complete:
            raise self._stop("a body after an answer that has none")
        self._mute_bytes = 0
        self._chunks.append(content)

    def on_message_complete(self) -> None:
        """llhttp: the end of an answer that says where it ends."""
        if not self._informational:
            self.complete = True
            return
        self._informational = False
        self.reason = b""
        self.fields = []
        self._length = None
        self._chunked = False

    def _frame(self) -> None:
        """Where this answer ends, now that its fields are known."""
        if self._to_head:
            self.complete = True
        elif self.status == _NO_CONTENT:
            self.reusable = (
                self.reusable and not self._length and not self._chunked
            )  # a body may be on its way all the same
        elif self.status != _NOT_MODIFIED:
            self._until_close = self._length is None and not self._chunked

    def _head_bytes(self) -> int:
        names_and_values = sum(len(name) + len(value) + _FIELD_BYTES for name, value in self.fields)
        return _STATUS_LINE_BYTES + len(self.reason) + names_and_values

    def _stop(self, fault: str) -> ValueError:
        """What to raise so that llhttp stops; `feed` tells why."""
        self._fault = fault
        return ValueError(fault)
