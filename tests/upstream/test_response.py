import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.model.facts import Field
from guard.upstream.response import ResponseReader
from tests.upstream.wire_cases import BROKEN, CASES, CHUNKED, CLOSE_DELIMITED, Case


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
    assert len(reader.head.fields) == 200


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
    head, trailers = reader.head, reader.trailers
    for verb in ("HEAD", "GET"):
        reader.begin(verb)
        assert reader.feed(b"HTTP/1.1 201 Made\r\ncontent-length: 0\r\n\r\n") is None
        assert _read(reader) == (True, 201, b"Made", [(b"content-length", b"0")], [])
    assert (list(head.fields), trailers) == (CHUNKED, [(b"digest", b"x"), (b"b", b"y")])


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
    return (reader.complete, reader.head.status, reader.head.reason, list(reader.head.fields), reader.trailers)


def _junk_comes_later(case: Case, reader: ResponseReader) -> bool:
    """A cut fell exactly behind the answer: what follows meets a connection that nobody uses, which closes it."""
    junk = ("another answer behind it", "chunks and another answer behind them", "a body after HEAD")
    return reader.reusable and case in [CASES[name] for name in junk]
