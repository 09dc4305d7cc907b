import itertools
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.model.facts import Field
from guard.upstream.response import ResponseReader


class Case(NamedTuple):
    wire: bytes
    status: int
    fields: list[Field]
    body: bytes = b""
    verb: str = "GET"
    reason: bytes = b"OK"
    trailers: tuple[Field, ...] = ()
    reusable: bool = True


CHUNKED: list[Field] = [(b"transfer-encoding", b"chunked")]
CASES = {
    "fixed length": Case(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: one \t\r\n\r\nhello",
        200,
        [(b"content-length", b"5"), (b"x-a", b"one")],
        b"hello",
    ),
    "empty": Case(
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 404, [(b"content-length", b"0")], reason=b"Not Found"
    ),
    "no reason": Case(b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", 200, [(b"content-length", b"0")], reason=b""),
    "chunked": Case(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
        200,
        CHUNKED,
        b"abc0123456789",
    ),
    "chunked with trailers": Case(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nDigest: x\r\nB: y\r\n\r\n",
        200,
        CHUNKED,
        b"a",
        trailers=((b"digest", b"x"), (b"b", b"y")),
    ),
    "early hints first": Case(
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        200,
        [(b"content-length", b"2")],
        b"hi",
    ),
    "to HEAD": Case(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", 200, [(b"content-length", b"5")], verb="HEAD"),
    "to HEAD, chunked": Case(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", 200, CHUNKED, verb="HEAD"),
    "204": Case(b"HTTP/1.1 204 None\r\n\r\n", 204, [], reason=b"None"),
    "204 that announces a body": Case(
        b"HTTP/1.1 204 None\r\ncontent-length: 5\r\n\r\n",
        204,
        [(b"content-length", b"5")],
        reason=b"None",
        reusable=False,
    ),
    "204 that announces chunks": Case(
        b"HTTP/1.1 204 None\r\ntransfer-encoding: chunked\r\n\r\n", 204, CHUNKED, reason=b"None", reusable=False
    ),
    "304": Case(b"HTTP/1.1 304 Same\r\ncontent-length: 5\r\n\r\n", 304, [(b"content-length", b"5")], reason=b"Same"),
    "close asked for": Case(
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx",
        200,
        [(b"connection", b"close"), (b"content-length", b"1")],
        b"x",
        reusable=False,
    ),
    "HTTP/1.0": Case(
        b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx", 200, [(b"content-length", b"1")], b"x", reusable=False
    ),
    "HTTP/1.0 kept alive": Case(
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\nx",
        200,
        [(b"connection", b"keep-alive"), (b"content-length", b"1")],
        b"x",
    ),
    "another answer behind it": Case(
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\ny",
        200,
        [(b"content-length", b"1")],
        b"x",
        reusable=False,
    ),
    "a body after HEAD": Case(
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", 200, [(b"content-length", b"2")], verb="HEAD", reusable=False
    ),
    "bytes after close": Case(
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\nxyz",
        200,
        [(b"connection", b"close"), (b"content-length", b"1")],
        b"x",
        reusable=False,
    ),
}
CLOSE_DELIMITED = b"HTTP/1.1 200 OK\r\nx-a: b\r\n\r\nas long as it takes"

BROKEN = {
    "no status line": b"SSH-2.0-OpenSSH\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "status of letters": b"HTTP/1.1 2OO OK\r\n\r\n",
    "status 600": b"HTTP/1.1 600 OK\r\ncontent-length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/2.0 kept alive": b"HTTP/2.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\ncontent-length: 0\r\n\r\n",
    "length and chunked": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
    "chunked and length": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi",
    "the same length twice": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi",
    "list of lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nhi",
    "signed length": b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nhi",
    "length of 21 digits": b"HTTP/1.1 200 OK\r\ncontent-length: 100000000000000000000\r\n\r\n",
    "gzip coding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nxx",
    "gzip, chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "xchunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\nx-a : b\r\ncontent-length: 0\r\n\r\n",
    "folded field": b"HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\ncontent-length: 0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    "control byte": b"HTTP/1.1 200 OK\r\nx-a: \x00\r\ncontent-length: 0\r\n\r\n",
    "bad chunk size": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n",
    "bad chunk end": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc",
    "101": b"HTTP/1.1 101 Switching\r\n\r\n",
    "101 with upgrade": b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nxx",
    "length as a trailer": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\ncontent-length: 9\r\n\r\n",
    "201 fields": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 201 + b"\r\n",
    "201 trailers": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 201 + b"\r\n",
    "large head": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\na: " + b"b" * 65536 + b"\r\n\r\nx",
    "endless field": b"HTTP/1.1 200 OK\r\na: " + b"b" * 65536,
    "endless chunk extension": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"b" * 65536,
    "endless trailer": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: " + b"b" * 65536,
    "flood of 100s": b"HTTP/1.1 100 Continue\r\n\r\n" * 2700,
}


@pytest.mark.parametrize("name", CASES)
@given(cuts=st.lists(st.integers(1, 200), max_size=12))
def test_every_split_of_an_answer_gives_the_same_answer(name: str, cuts: list[int]) -> None:
    case = CASES[name]
    reader = ResponseReader()
    reader.begin(case.verb)
    content = _fed(reader, case.wire, cuts)
    assert _read(reader) == (True, case.status, case.reason, case.fields, list(case.trailers))
    assert content == case.body
    assert reader.reusable is case.reusable or _junk_comes_later(case, reader)


@pytest.mark.parametrize("name", CASES)
def test_byte_by_byte_gives_the_same_answer(name: str) -> None:
    case = CASES[name]
    reader = ResponseReader()
    reader.begin(case.verb)
    assert _fed(reader, case.wire, list(range(1, len(case.wire)))) == case.body
    assert _read(reader) == (True, case.status, case.reason, case.fields, list(case.trailers))


@given(cuts=st.lists(st.integers(1, 200), max_size=12))
def test_body_without_length_ends_with_the_connection(cuts: list[int]) -> None:
    reader = ResponseReader()
    content = _fed(reader, CLOSE_DELIMITED, cuts)
    assert not reader.complete
    assert reader.finish()
    assert (content, reader.reusable) == (b"as long as it takes", False)


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nx-a: b\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_connection_that_ends_inside_an_answer_is_no_end_of_it(wire: bytes) -> None:
    reader = ResponseReader()
    assert reader.feed(wire) is None
    assert not reader.finish()


@pytest.mark.parametrize("name", BROKEN)
@settings(max_examples=25)
@given(cuts=st.lists(st.integers(1, 200), max_size=4))
def test_what_two_readers_could_read_differently_is_no_answer(name: str, cuts: list[int]) -> None:
    reader = ResponseReader()
    wire = BROKEN[name]
    edges = [0, *sorted(cuts), len(wire)]
    faults = [reader.feed(wire[at:to]) for at, to in itertools.pairwise(edges)]
    assert any(faults)


def test_head_of_exactly_64_kib_is_taken() -> None:
    frame = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\na: %b\r\n\r\n"
    head = frame % (b"b" * (65536 - len(frame) + 2))
    assert len(head) == 65536
    reader = ResponseReader()
    assert reader.feed(head + b"x") is None
    assert reader.complete


def test_200_fields_are_taken() -> None:
    reader = ResponseReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n" + b"a: b\r\n" * 199 + b"\r\n") is None
    assert len(reader.fields) == 200


def test_transfer_coding_named_in_a_trailer_changes_nothing() -> None:
    reader = ResponseReader()
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    assert reader.feed(head + b"1\r\na\r\n0\r\ntransfer-encoding: gzip\r\n\r\n") is None
    assert (reader.complete, reader.take()) == (True, b"a")


@pytest.mark.parametrize("name", CASES)
def test_connection_is_fit_for_more_only_after_a_clean_end(name: str) -> None:
    case = CASES[name]
    reader = ResponseReader()
    reader.begin(case.verb)
    reader.feed(case.wire)
    assert reader.reusable is case.reusable


def test_body_may_be_longer_than_a_head() -> None:
    reader = ResponseReader()
    reader.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n")
    assert [reader.feed(b"x" * 50_000) for _ in range(6)] == [None] * 6
    assert (reader.complete, len(reader.take())) == (True, 300_000)


def test_next_answer_starts_from_nothing_and_leaves_the_last_one_alone() -> None:
    reader = ResponseReader()
    reader.feed(CASES["chunked with trailers"].wire)
    fields, trailers = reader.fields, reader.trailers
    for verb in ("HEAD", "GET"):
        reader.begin(verb)
        assert reader.feed(b"HTTP/1.1 201 Made\r\ncontent-length: 0\r\n\r\n") is None
        assert _read(reader) == (True, 201, b"Made", [(b"content-length", b"0")], [])
    assert (fields, trailers) == (CHUNKED, [(b"digest", b"x"), (b"b", b"y")])


def test_head_answer_with_a_length_leaves_the_reader_fit_for_more() -> None:
    reader = ResponseReader()
    reader.begin("HEAD")
    reader.feed(CASES["to HEAD"].wire)
    assert reader.reusable
    reader.begin("GET")
    reader.feed(CASES["fixed length"].wire)
    assert (reader.complete, reader.take()) == (True, b"hello")


@given(wire=st.binary(max_size=300), prefix=st.sampled_from([b"", *[case.wire[:40] for case in CASES.values()]]))
def test_no_bytes_make_the_reader_raise(wire: bytes, prefix: bytes) -> None:
    reader = ResponseReader()
    reader.feed(prefix + wire)
    reader.finish()


def test_only_small_bodies_of_known_length_are_worth_waiting_for() -> None:
    gathered = []
    for framing in (b"content-length: 65536", b"content-length: 65537", b"transfer-encoding: chunked", b"x: y"):
        reader = ResponseReader()
        reader.feed(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % framing)
        gathered.append(reader.gathers)
    assert gathered == [True, False, False, False]


def _fed(reader: ResponseReader, wire: bytes, cuts: list[int]) -> bytes:
    """Feed in pieces until the answer is complete; the bytes after it are then not the reader's to see."""
    content = b""
    edges = [0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]
    for at, to in itertools.pairwise(edges):
        if not reader.complete:
            assert reader.feed(wire[at:to]) is None
            content += reader.take()
    return content


def _read(reader: ResponseReader) -> tuple[bool, int, bytes, list[Field], list[Field]]:
    return (reader.complete, reader.status, reader.reason, reader.fields, reader.trailers)


def _junk_comes_later(case: Case, reader: ResponseReader) -> bool:
    """A cut fell exactly behind the answer: what follows meets a connection that nobody uses, which closes it."""
    return reader.reusable and case in (CASES["another answer behind it"], CASES["a body after HEAD"])
