"""The head of a backend's answer, cut out and judged whole: llhttp says whether its lines are well-formed.

Decided here: how the body is delimited (RFC 9112 §6.3) and whether the connection stays. Stricter than the RFC where
two readers could differ: the only transfer coding is one `chunked`, in HTTP/1.1, and no Content-Length beside it or a
second time. A verdict depends on the bytes of the head alone, and backends say the same again and again, so the last
ones are remembered.
"""

import re
from functools import lru_cache

import httptools
import msgspec

from guard.model.facts import Field

FIELDS_MAX = 200
FINAL = 200
BEGINNING = b"HTTP/1."

_STATUSES = range(100, 600)
_VERSIONS = ("1.1", "1.0")
_REMEMBERED_BYTES_MAX = 1024
_LENGTH = re.compile(rb"[0-9]{1,19}")
_KEPT = re.compile(rb"(?:^|[,; \t])timeout[ \t]*=[ \t]*\"?([0-9]{1,6})", re.IGNORECASE)
_KEEP_MARGIN_MS = 1_000


class ResponseHead(msgspec.Struct, frozen=True, gc=False):
    """A head that has one meaning. Names are in lower case, values without outer white space.

    `length` is None where the body is chunked or ends with the connection. `stays` says that the connection may serve
    again, `kept_ms` how long it may rest: a second less than the backend says, None if it does not say.
    """

    status: int
    reason: bytes
    fields: tuple[Field, ...]
    length: int | None
    chunked: bool
    stays: bool
    kept_ms: int | None


def read_head(head: bytes) -> ResponseHead | str:
    """The head, which ends with its empty line; or what is wrong with it, for the log."""
    return _remembered(head) if len(head) <= _REMEMBERED_BYTES_MAX else _read(head)


def _read(head: bytes) -> ResponseHead | str:
    found = _Found()
    parser = httptools.HttpResponseParser(found)
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        return "the answer switches protocols, which nobody asked for"
    except httptools.HttpParserError as error:
        return f"the answer is ill-formed: {error}"
    status = parser.get_status_code()
    version = parser.get_http_version()
    if not head.startswith(BEGINNING) or status not in _STATUSES or version not in _VERSIONS:
        return "the answer has a version or status that does not exist"
    if len(found.fields) > FIELDS_MAX:
        return "the answer has too many fields"
    return _framed(status, found.reason, tuple(found.fields), modern=version == "1.1")


_remembered = lru_cache(maxsize=256)(_read)


class _Found:
    """What llhttp calls back with."""

    __slots__ = ("fields", "reason")

    def __init__(self) -> None:
        self.reason = b""
        self.fields: list[Field] = []

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value.rstrip(b" \t")))


def _framed(status: int, reason: bytes, fields: tuple[Field, ...], *, modern: bool) -> ResponseHead | str:
    length: int | None = None
    chunked, stays = False, modern
    kept_ms: int | None = None
    for name, value in fields:
        if name == b"content-length":
            if length is not None or chunked or not _LENGTH.fullmatch(value):
                return "the answer has no one length"
            length = int(value)
        elif name == b"transfer-encoding":
            if length is not None or chunked or not modern or value.lower() != b"chunked":
                return "the answer has a transfer coding other than one `chunked`"
            chunked = True
        elif name == b"connection":
            options = {option.strip(b" \t") for option in value.lower().split(b",")}
            stays = b"close" not in options and (stays or b"keep-alive" in options)
        elif name == b"keep-alive" and (kept := _KEPT.search(value)) is not None:
            kept_ms = max(int(kept[1]) * 1000 - _KEEP_MARGIN_MS, 0)
    stays = stays and kept_ms != 0
    return ResponseHead(status, reason, fields, length, chunked, stays, kept_ms)
