"""Heads: what has one meaning is read, all else is refused, however it is cut."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.server.head import HeadReader, RequestHead
from guard.server.limits import Limits

_LIMITS = Limits(head_bytes_max=400, fields_max=5, field_bytes_max=120, target_bytes_max=100)


def _read(*segments: bytes, limits: Limits = _LIMITS) -> tuple[RequestHead | str | None, bytes]:
    reader = HeadReader(limits)
    for number, segment in enumerate(segments):
        head = reader.read(segment)
        if head is not None:
            return head, reader.rest + b"".join(segments[number + 1 :])
    return None, b""


def _head(content: bytes) -> RequestHead:
    head, _ = _read(content)
    assert isinstance(head, RequestHead)
    return head


def test_a_head_is_read_to_its_last_byte_and_no_further() -> None:
    head, rest = _read(b"GET /a%2F?b HTTP/1.1\r\nHost: A.test\r\nX-Y: \t b  c \t\r\nE:\r\n\r\nGET /next")
    assert isinstance(head, RequestHead)
    assert (head.verb, head.target, head.version, head.length) == ("GET", b"/a%2F?b", "1.1", 0)
    assert head.fields == ((b"host", b"A.test"), (b"x-y", b"b  c"), (b"e", b""))
    assert (head.closes, head.expects_continue) == (False, False)
    assert rest == b"GET /next"


@pytest.mark.parametrize(
    ("field", "length"),
    [(b"Content-Length: 12", 12), (b"content-length: 0", 0), (b"Transfer-Encoding: Chunked", None), (b"A: b", 0)],
)
def test_the_framing_is_the_one_that_is_announced(field: bytes, length: int | None) -> None:
    assert _head(b"POST / HTTP/1.1\r\n" + field + b"\r\n\r\n").length == length


@pytest.mark.parametrize(
    ("content", "closes"),
    [
        (b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nConnection: te , Close\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: closed\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_a_connection_ends_when_either_side_says_so(content: bytes, closes: bool) -> None:  # noqa: FBT001
    assert _head(content).closes is closes


def test_a_method_that_is_rare_is_one_too() -> None:
    assert _head(b"M-SEARCH / HTTP/1.1\r\n\r\n").verb == "M-SEARCH"


def test_only_an_http_1_1_client_waits_for_100() -> None:
    assert _head(b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n").expects_continue
    assert not _head(b"PUT / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n").expects_continue


def test_an_upgrade_is_ignored_and_the_connection_reads_on() -> None:
    reader = HeadReader(_LIMITS)
    offered = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"
    head = reader.read(b"POST / HTTP/1.1\r\n" + offered + b"Content-Length: 3\r\n\r\nabc")
    assert isinstance(head, RequestHead)
    assert (head.length, reader.rest) == (3, b"abc")
    assert isinstance(reader.read(b"GET / HTTP/1.1\r\n" + offered + b"\r\n"), RequestHead)
    assert isinstance(reader.read(b"GET / HTTP/1.1\r\n\r\n"), RequestHead)


MALFORMED = [
    *(b"NONSENSE\r\n\r\n", b"GET /\r\n\r\n", b"GET  / HTTP/1.1\r\n\r\n", b"GET /  HTTP/1.1\r\n\r\n"),
    *(b"GET\t/ HTTP/1.1\r\n\r\n", b" GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1 \r\n\r\n", b"GET  HTTP/1.1\r\n\r\n"),
    *(b"GET / HTTP/2.0\r\n\r\n", b"GET / HTTP/1.2\r\n\r\n", b"GET / http/1.1\r\n\r\n", b"GET / RTSP/1.0\r\n\r\n"),
    *(b"GET / HTTP/0.9\r\n\r\n", b"GET / HTTP/01.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    *(b"CONNECT a:443 HTTP/1.1\r\n\r\n", b"get / HTTP/1.1\r\n\r\n", b"G(T / HTTP/1.1\r\n\r\n"),
    *(b"GET /\x01 HTTP/1.1\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n", b"GET /\0 HTTP/1.1\r\n\r\n"),
    *(b"\nGET / HTTP/1.1\r\n\r\n", b"\rGET / HTTP/1.1\r\n\r\n", b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
    *(b"GET / HTTP/1.1\nA: b\r\n\r\n", b"GET / HTTP/1.1\r\nA: b\n\r\n", b"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n"),
    *(b"GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", b"GET / HTTP/1.1\r\nA: b\r\r\n\r\n", b"GET / HTTP/1.1\n\n"),
    *(b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", b"GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n"),
    *(b"GET / HTTP/1.1\r\n A: b\r\n\r\n", b"GET / HTTP/1.1\r\nA : b\r\n\r\n", b"GET / HTTP/1.1\r\nA\r\n\r\n"),
    *(b"GET / HTTP/1.1\r\n: b\r\n\r\n", b"GET / HTTP/1.1\r\nA\x80: b\r\n\r\n", b"GET / HTTP/1.1\r\nA B: c\r\n\r\n"),
    *(b"GET / HTTP/1.1\r\nA: b\0\r\n\r\n", b"GET / HTTP/1.1\r\nA: \x07\r\n\r\n", b"GET / HTTP/1.1\r\nA: \x7f\r\n\r\n"),
    *(b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",),
    *(b"POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n"),
    *(b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n"),
    *(b"POST / HTTP/1.1\r\nContent-Length: 1_0\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n"),
    b"POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    *(b"POST / HTTP/1.1\r\nTransfer-Encoding: %b\r\n\r\n" % coding for coding in (b"gzip, chunked", b"identity", b"")),
    *(b"POST / HTTP/1.1\r\nTransfer-Encoding: %b\r\n\r\n" % coding for coding in (b"chunked, x", b"xchunked")),
    *(b"POST / HTTP/1.1\r\nTransfer-Encoding: %b\r\n\r\n" % coding for coding in (b"\x0bchunked", b"chunked;q=1")),
    b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 00000000000000000001\r\n\r\n",
    *(b"\x16\x03\x01\x02\x00\x01", b"\0" * 40, b"a" * 400, b"A" * 25, b"get /" + b"a" * 120 + b" HTTP/1.1\r\n\r\n"),
]
TOO_LARGE = [
    b"GET /" + b"a" * 100 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: " + b"a" * 120 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 6 + b"\r\n",
    b"GET / HTTP/1.1\r\n" + b"A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n" * 7,
    b"GET /" + b"a" * 395,
]
GOOD = [
    b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest",
    b"\r\nPOST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
    b"GET http://a/b HTTP/1.1\r\nHost: c\r\n\r\n\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n\r\n",
]


@pytest.mark.parametrize("content", MALFORMED)
def test_what_could_be_read_in_two_ways_is_refused(content: bytes) -> None:
    assert _read(content)[0] == "request.malformed"


@pytest.mark.parametrize("content", TOO_LARGE)
def test_what_is_too_large_is_refused(content: bytes) -> None:
    assert _read(content)[0] == "request.head_too_large"


def test_the_bounds_are_inclusive() -> None:
    line, end = b"GET / HTTP/1.1\r\n", b"\r\n\r\n"
    assert isinstance(_read(line + b"A: b\r\n" * 5 + b"\r\n")[0], RequestHead)
    assert isinstance(_read(b"GET /" + b"a" * 99 + b" HTTP/1.1" + end)[0], RequestHead)
    filled = line + b"\r\n".join(b"A: " + b"b" * size for size in (100, 100, 100, 400 - 300 - 9 - 6 - 20 + 3 - 4 - 3))
    exact = filled + b"c" * (400 - len(filled) - 4) + end
    assert len(exact) == 400
    assert isinstance(_read(exact)[0], RequestHead)
    assert _read(exact.replace(b"/ ", b"/d ", 1))[0] == "request.head_too_large"


@given(content=st.sampled_from(MALFORMED + TOO_LARGE + GOOD), data=st.data())
def test_any_split_gives_the_same_verdict(content: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(content)), max_size=6)))
    segments = [content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    assert _read(*segments)[0] == _read(content)[0]


@pytest.mark.parametrize("content", MALFORMED + TOO_LARGE + GOOD)
def test_byte_by_byte_gives_the_same_verdict(content: bytes) -> None:
    whole, rest = _read(content)
    head, tail = _read(*(bytes([byte]) for byte in content))
    assert head == whole
    if isinstance(whole, RequestHead):
        assert tail == rest


_SMALL = st.sampled_from([b"GET ", b"/", b" HTTP/1.1", b"\r\n", b"\r", b"\n", b" ", b"A: b", b":", b"\t", b"\r\n\r\n"])


@given(pieces=st.lists(_SMALL, max_size=14))
def test_any_bytes_get_the_same_verdict_whole_and_byte_by_byte(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    assert _read(*(bytes([byte]) for byte in content))[0] == _read(content)[0]


_USUAL_BYTES = st.sampled_from([*b'aZ0-_:;,= \t\x01\x7f\x80"#?%/<>', *b"\r\n"])
_TEXT = st.lists(_USUAL_BYTES, max_size=6).map(bytes)
_NAME = st.one_of(st.sampled_from([b"Host", b"a", b"Content-Length", b"Connection", b"X-Y"]), _TEXT)
_VALUE = st.one_of(st.sampled_from([b" 5", b"5", b" b ", b" close", b" chunked"]), _TEXT)


@given(
    st.sampled_from([b"GET", b"POST", b"PURGE", b"get"]),
    st.one_of(st.sampled_from([b"/", b"/a?b", b"*", b"http://h/"]), _TEXT.map(lambda text: b"/" + text)),
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.0"]),
    st.lists(st.tuples(_NAME, _VALUE), max_size=6),
)
def test_a_plain_head_has_the_verdict_that_llhttp_has_part_in(
    verb: bytes, target: bytes, version: bytes, fields: list[tuple[bytes, bytes]]
) -> None:
    lines = [b"%b %b %b" % (verb, target, version), *(b"%b:%b" % field for field in fields)]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    reader = HeadReader(Limits())
    plain = reader._plain(head, head.split(b"\r\n"))
    strange = reader._strange(head, head.split(b"\r\n"))
    if plain is not None:
        assert strange == (msgspec.structs.replace(plain, plain=False) if isinstance(plain, RequestHead) else plain)


@pytest.mark.parametrize("byte", range(0x21, 0x7F))
def test_llhttp_takes_every_visible_character_in_a_path_and_in_a_value(byte: int) -> None:
    head = b"GET /%c HTTP/1.1\r\nA: %c\r\n\r\n" % (byte, byte)
    reader = HeadReader(Limits())
    assert isinstance(reader._plain(head, head.split(b"\r\n")), RequestHead)
    assert isinstance(reader._strange(head, head.split(b"\r\n")), RequestHead)
