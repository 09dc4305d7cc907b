"""The chunked transfer coding of one answer, undone (RFC 9112 §7.1). llhttp parses; this bounds what says nothing."""

from httptools import HttpParserError, HttpResponseParser

from guard.model.facts import Field

MUTE_BYTES_MAX = 64 * 1024
TRAILERS_MAX = 200

_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
"""What llhttp wants to see before chunks. The answer's own head has been judged by then."""


class ChunkedBody:
    """Takes the bytes behind a head until `complete`. `trailers` get their names in lower case.

    Beside its content a body may say at most 64 KiB at a time (chunk sizes, extensions, trailers).
    """

    def __init__(self, content: list[bytes], trailers: list[Field]) -> None:
        self._parser = HttpResponseParser(self)
        self._content = content
        self._trailers: list[Field] = []
        self._mute_bytes = 0
        self._fault: str | None = None
        self.complete = False
        self.surplus = False
        self._parser.feed_data(_HEAD)
        self._trailers = trailers

    def feed(self, coded: bytes) -> str | None:
        """Take bytes in; their content goes to the list given. What is wrong with them, None while nothing is.

        Afterwards `surplus` says whether bytes followed the end, other than empty lines, which llhttp skips.
        """
        self._mute_bytes += len(coded)
        try:
            self._parser.feed_data(coded)
        except HttpParserError as error:
            if not self.complete:
                return self._fault or f"the chunks are ill-formed: {error}"
            self.surplus = True
        if self._mute_bytes > MUTE_BYTES_MAX and not self.complete:
            return "the answer says too much beside its body"
        return None

    def on_message_begin(self) -> None:
        """llhttp: the first byte of another answer."""
        if self.complete:
            raise ValueError("bytes after the end of the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """llhttp: a trailer; before those, the one field of the head above."""
        if len(self._trailers) >= TRAILERS_MAX:
            self._fault = "the answer has too many trailers"
            raise ValueError(self._fault)
        self._trailers.append((name.lower(), value.rstrip(b" \t")))

    def on_body(self, content: bytes) -> None:
        """llhttp: content."""
        self._mute_bytes = 0
        self._content.append(content)

    def on_message_complete(self) -> None:
        """llhttp: the empty line behind the last chunk and the trailers."""
        self.complete = True
