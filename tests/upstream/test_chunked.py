import itertools

from hypothesis import given
from hypothesis import strategies as st

from guard.model.facts import Field
from guard.upstream.chunked import ChunkedBody

CODED = b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nDigest: x \r\nB: y\r\n\r\n"


@given(cuts=st.lists(st.integers(1, len(CODED) - 1), max_size=12))
def test_every_split_gives_the_same_content_and_trailers(cuts: list[int]) -> None:
    content: list[bytes] = []
    trailers: list[Field] = []
    body = ChunkedBody(content, trailers)
    for at, to in itertools.pairwise([0, *sorted(cuts), len(CODED)]):
        assert not body.complete
        assert body.feed(CODED[at:to]) is None
    assert (body.complete, body.surplus) == (True, False)
    assert (b"".join(content), trailers) == (b"abc0123456789", [(b"digest", b"x"), (b"b", b"y")])


def test_bytes_behind_the_end_are_surplus() -> None:
    for behind in (b"x", b"HTTP/1.1 200 OK\r\n"):
        body = ChunkedBody([], [])
        assert body.feed(CODED + behind) is None
        assert (body.complete, body.surplus) == (True, True)


def test_200_trailers_are_taken_and_not_one_more() -> None:
    for count, taken in ((200, True), (201, False)):
        body = ChunkedBody([], [])
        fault = body.feed(b"0\r\n" + b"a: b\r\n" * count + b"\r\n")
        assert (fault is None, body.complete) == (taken, taken)


def test_what_says_nothing_for_64_kib_is_a_fault_and_content_is_none() -> None:
    body = ChunkedBody([], [])
    for _ in range(10):
        assert body.feed(b"8000\r\n" + b"x" * 0x8000 + b"\r\n") is None
    assert body.feed(b"1;" + b"x" * 65_536) is not None


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(coded: bytes) -> None:
    body = ChunkedBody([], [])
    body.feed(coded)
