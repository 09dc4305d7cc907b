"""The head of a request (RFC 9112 sections 2 to 6): found in the stream, held to the letter, its framing decided.

A head as clients write them is judged here; of any other llhttp says whether it is well-formed. It forgives what
another program on the way may read differently, and does not say where in the stream it stands; so the head is cut out,
and judged here too. The verdict on a stream does not depend on how the stream was cut into segments.
"""

import re
from functools import lru_cache

import httptools
import msgspec

from guard.model.facts import Field, FieldNames
from guard.server.limits import Limits
from guard.wire.field_names import SEQUENCES_MAX, field_names
from guard.wire.fields import TOKEN_BYTES

MALFORMED = "request.malformed"
TOO_LARGE = "request.head_too_large"

_END = b"\r\n\r\n"
_CR = 0x0D
_VERSIONS = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0"}
_VERB = re.compile(rb"[A-Z-]{1,24}")
_USUAL = {verb.encode(): verb for verb in ("GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH")}
_BEGINNING = re.compile(rb"\r|[A-Z-]{1,24}(?: .*)?", re.DOTALL)
_JUDGED_EARLY = 32
_LENGTH = re.compile(rb"[0-9]{1,19}")
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection", b"expect"})

_PLAIN = bytes(range(0x20, 0x7F))
_LINE_ENDS = b"\r\n" * 1024
_REMEMBERED_BYTES_MAX = 512

_SILENT = object()
"""httptools calls back what it finds on an object; nothing of it is needed."""


class RequestHead(msgspec.Struct, frozen=True, gc=False):
    """A head that has one meaning. `length` is that of the body, None if it is chunked.

    `names` are those of `fields`. `plain` says that names are tokens, and values visible ASCII without outer blanks.
    """

    verb: str
    target: bytes
    version: str
    fields: tuple[Field, ...]
    names: FieldNames
    length: int | None = 0
    expects_continue: bool = False
    closes: bool = False
    plain: bool = False


class _Section(msgspec.Struct, frozen=True):
    """What follows from the names of a field section alone: `framing` are the positions of fields that frame."""

    names: FieldNames
    framing: tuple[int, ...]


class HeadReader:
    """Reads the heads of one connection, one after the other. `rest` is what came behind the last one."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parser: httptools.HttpRequestParser | None = None
        self._held = bytearray()
        self._searched = 0
        self._skipped = self._line_judged = False
        self.rest = b""

    @property
    def begun(self) -> bool:
        """Whether a part of a head is here."""
        return bool(self._held)

    def read(self, content: bytes) -> RequestHead | str | None:
        """The head that `content` completes, the code of a refusal, or None as long as it is incomplete."""
        bytes_max = self._limits.head_bytes_max
        held = self._held
        if not held and content and content[0] != _CR:
            end = content.find(_END, 0, bytes_max)
            if end > 0:
                return self._whole(content, end + len(_END))
        held += content
        if not self._skipped and held.startswith(b"\r\n"):  # one empty line is forgiven (RFC 9112 section 2.2)
            self._skipped = True
            self._searched = 0
            del held[:2]
        end = held.find(_END, max(self._searched - 3, 0), bytes_max)
        if end >= 0:
            self._held = bytearray()
            self._searched = 0
            self._skipped = self._line_judged = False
            return self._whole(bytes(held), end + len(_END))
        return self._fault_so_far()

    def _fault_so_far(self) -> str | None:
        """What is wrong already. Each byte is looked at once, however slowly they come."""
        held, bytes_max = self._held, self._limits.head_bytes_max
        if not self._line_judged:
            end = held.find(b"\r\n", max(self._searched - 1, 0), bytes_max)
            if end >= 0:
                self._line_judged = True
                line = bytes(held[:end])
                verdict = MALFORMED if _has_bare_line_ends(line) else self._line(line)
                if isinstance(verdict, str):
                    return verdict
        if held and self._searched < _JUDGED_EARLY and not self._line_judged and not _BEGINNING.fullmatch(held):
            return MALFORMED  # another protocol: it may be waiting for our answer
        start = self._searched
        if start and held[start - 1] == _CR:
            start -= 1
        if _has_bare_line_ends(bytes(held[start:bytes_max])):
            return MALFORMED
        self._searched = min(len(held), bytes_max)
        return TOO_LARGE if len(held) >= bytes_max else None

    def _whole(self, content: bytes, size: int) -> RequestHead | str:
        if size == len(content):
            head, self.rest = content, b""
        else:
            head, self.rest = content[:size], content[size:]
        lines = head.split(b"\r\n")
        return self._plain(head, lines) or self._strange(head, lines)

    def _plain(self, head: bytes, lines: list[bytes]) -> RequestHead | str | None:
        """A head as clients write them, which llhttp need not see; None for any other.

        Only visible ASCII and spaces, lines that end in CR LF, each `token:value`, a usual method, and a path. The
        verdict is that of `_strange`.
        """
        count, limits = len(lines) - 1, self._limits
        if (
            head.translate(None, _PLAIN) != _LINE_ENDS[: 2 * count]
            or count - 2 > limits.fields_max
            or len(head) > limits.field_bytes_max
        ):
            return None
        line = _usual_line(lines[0]) if len(lines[0]) <= _REMEMBERED_BYTES_MAX else None
        if line is None or len(line[1]) > limits.target_bytes_max:
            return None
        parts = [text.partition(b":") for text in lines[1:-2]]
        joined = b"\n".join([name for name, colon, _ in parts if colon])
        section = _section(joined) if len(joined) <= _REMEMBERED_BYTES_MAX else None
        if section is None or len(section.names.names) != len(parts):
            return None
        fields = tuple(zip(section.names.names, [value.strip(b" ") for _, _, value in parts], strict=True))
        return _framed(line, fields, section.names, [fields[position] for position in section.framing], plain=True)

    def _strange(self, head: bytes, lines: list[bytes]) -> RequestHead | str:
        size, count = len(head), len(lines) - 1
        if len(head.translate(None, b"\r\n")) != size - 2 * count:  # one of them stands alone
            return MALFORMED
        line = self._line(lines[0])
        if isinstance(line, str):
            return line
        limits = self._limits
        if count - 2 > limits.fields_max:
            return TOO_LARGE
        if not self._is_well_formed(head):
            return MALFORMED
        if size > limits.field_bytes_max and max(map(len, lines[1:])) > limits.field_bytes_max:
            return TOO_LARGE
        found = []
        for text in lines[1:-2]:
            name, _, value = text.partition(b":")
            found.append((name.lower(), value.strip(b" \t")))
        framing = [field for field in found if field[0] in _FRAMING]
        if framing or line[2] != "1.1":
            self._parser = None  # it may wait for a body, or for nothing at all
        return _framed(line, tuple(found), field_names(found), framing, plain=False)

    def _line(self, line: bytes) -> tuple[str, bytes, str] | str:
        """Method, target and version, one space between them. httptools looks at the bytes of the first two."""
        parts = line.split(b" ")
        if len(parts) != 3 or not parts[1]:  # noqa: PLR2004
            return MALFORMED
        verb, target, protocol = parts
        version = _VERSIONS.get(protocol)
        if version is None:
            return MALFORMED
        name = _USUAL.get(verb)
        if name is None:
            if verb == b"CONNECT" or not _VERB.fullmatch(verb):
                return MALFORMED
            name = verb.decode("latin-1")
        if len(target) > self._limits.target_bytes_max:
            return TOO_LARGE
        return name, target, version

    def _is_well_formed(self, head: bytes) -> bool:
        """Whether httptools finds nothing wrong: a method, a target, and in each line a token, a colon and a value."""
        parser = self._parser or httptools.HttpRequestParser(_SILENT)
        self._parser = None
        try:
            parser.feed_data(head)
            self._parser = parser
        except httptools.HttpParserUpgrade:
            return True  # one that was offered and that nobody here accepts (RFC 9110 section 7.8)
        except httptools.HttpParserError:
            return False
        return True


def _framed(
    line: tuple[str, bytes, str], fields: tuple[Field, ...], names: FieldNames, framing: list[Field], *, plain: bool
) -> RequestHead | str:
    version = line[2]
    length: int | None = 0
    continues, closes = False, version != "1.1"
    framed = False
    for name, value in framing:
        if name == b"connection":
            closes = closes or _says_close(value)
        elif name == b"expect":
            continues = continues or (version == "1.1" and value.lower() == b"100-continue")
        elif framed or not _frames(name, value, version):
            return MALFORMED
        else:
            framed, length = True, int(value) if name == b"content-length" else None
    return RequestHead(*line, fields, names, length, continues, closes, plain)


@lru_cache(maxsize=SEQUENCES_MAX)
def _usual_line(line: bytes) -> tuple[str, bytes, str] | None:
    """Method, target and version of a line of visible ASCII, if all three are usual ones."""
    parts = line.split(b" ")
    if len(parts) != 3 or parts[1][:1] != b"/" or parts[2] != b"HTTP/1.1":  # noqa: PLR2004
        return None
    verb = _USUAL.get(parts[0])
    return None if verb is None else (verb, parts[1], "1.1")


@lru_cache(maxsize=SEQUENCES_MAX)
def _section(joined: bytes) -> _Section | None:
    """What follows from these names, as sent, a line each; None if one of them is no token."""
    sent = joined.split(b"\n")
    if any(not name or name.translate(None, TOKEN_BYTES) for name in sent):
        return None
    names = field_names([(name.lower(), b"") for name in sent])
    return _Section(names, tuple(position for position, name in enumerate(names.names) if name in _FRAMING))


def _has_bare_line_ends(content: bytes) -> bool:
    """Whether a CR or an LF stands alone. The LF of a CR at the very end may still come."""
    pairs = content.count(b"\r\n")
    return content.count(b"\n") != pairs or content.count(b"\r") - content.endswith(b"\r") != pairs


def _frames(name: bytes, value: bytes, version: str) -> bool:
    """Whether a field says where the body ends, in a way that nobody reads differently."""
    if name == b"content-length":
        return _LENGTH.fullmatch(value) is not None
    return version == "1.1" and value.lower() == b"chunked"


def _says_close(value: bytes) -> bool:
    return b"close" in (token.strip(b" \t") for token in value.lower().split(b","))
