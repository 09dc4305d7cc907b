"""Bodies end where their framing says, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.server.framing import ChunkedBody, SizedBody
from guard.server.limits import Limits

_LIMITS = Limits(chunk_line_bytes_max=24, chunk_extension_bytes_max=30, trailer_bytes_max=40)


def _read(*segments: bytes) -> tuple[bytes, bytes, bool, str | None]:
    body, content = ChunkedBody(_LIMITS, []), b""
    for number, segment in enumerate(segments):
        part, rest = body.read(segment)
        content += part
        if body.complete or body.fault:
            return content, rest + b"".join(segments[number + 1 :]), body.complete, body.fault
    return content, b"", False, None


def test_a_sized_body_ends_after_its_length() -> None:
    body = SizedBody(5)
    assert body.read(b"ab") == (b"ab", b"")
    assert not body.complete
    assert body.read(b"cdeGET") == (b"cde", b"GET")
    assert body.complete


def test_chunks_are_joined_and_trailers_dropped() -> None:
    content = b'3\r\nabc\r\nA;x="y"\r\n0123456789\r\n000\r\nGuard-Key: smuggled\r\n\r\nGET / HTTP/1.1'
    assert _read(content) == (b"abc0123456789", b"GET / HTTP/1.1", True, None)


BROKEN = [
    *(b"\r\n", b"x\r\n", b"-1\r\n", b"+1\r\n", b"0x1\r\n", b" 1\r\n", b"1 \r\na\r\n", b"1_0\r\n", b"\n"),
    *(b"1\nab", b"1\r\nabc", b"1\r\na\n", b"1\r\na\rb", b"1;a\nb\r\na\r\n", b"1;a\rb\r\na\r\n", b"1;\0\r\na\r\n"),
    *(b"1;\r\na\r\n", b"1;a=\r\na\r\n", b"1;=a\r\na\r\n", b"1 ;a\r\na\r\n", b'1;a="b\r\na\r\n', b"1;a b\r\na\r\n"),
    *(b"11111111111111111\r\n", b"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", b"1;" + b"a" * 23 + b"\r\n"),
    b"1;aaaaaaaaaaaaaaa\r\na\r\n1;aaaaaaaaaaaaaaa\r\na\r\n",
    *(b"0\r\nA\r\n\r\n", b"0\r\n A: b\r\n\r\n", b"0\r\nA : b\r\n\r\n", b"0\r\nA: b\n\r\n", b"0\r\n\n"),
    *(b"0\r\nHost: a\r\n\r\n", b"0\r\nContent-Length: 1\r\n\r\n", b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    *(b"0\r\nA: \0\r\n\r\n", b"0\r\nA: " + b"b" * 60, b"0\r\n" + b"A: b\r\n" * 7 + b"\r\n"),
]
WHOLE = [
    *(
        b"0\r\n\r\n",
        b"0;a\r\n\r\nrest",
        b"1\r\na\r\n0\r\nA: b\r\nC:\r\n\r\nrest",
        b"0000000000000001\r\na\r\n0\r\n\r\n",
    ),
    b'1;a=b;c="d \\" e;"\r\na\r\n0\r\n\r\n',
    b"2\r\n\r\n\r\n1\r\n0\r\n0\r\n\r\n\r\n",
]
UNFINISHED = [
    b"",
    b"1",
    b"1\r",
    b"1\r\n",
    b"1\r\na",
    b"1\r\na\r",
    b"1\r\na\r\n",
    b"0\r\n",
    b"0\r\nA: b\r\n",
    b"0\r\n\r",
]


@pytest.mark.parametrize("content", BROKEN)
def test_a_chunk_that_is_none_is_a_fault(content: bytes) -> None:
    assert _read(content)[2:] == (False, "request.malformed")


@pytest.mark.parametrize("content", WHOLE)
def test_what_is_whole_is_complete(content: bytes) -> None:
    assert _read(content)[2:] == (True, None)


@pytest.mark.parametrize("content", UNFINISHED)
def test_what_is_not_finished_is_neither_complete_nor_a_fault(content: bytes) -> None:
    assert _read(content)[2:] == (False, None)


@given(content=st.sampled_from(BROKEN + WHOLE + UNFINISHED), data=st.data())
def test_any_split_gives_the_same_body(content: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(content)), max_size=6)))
    segments = [content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    whole, split = _read(content), _read(*segments)
    assert split[2:] == whole[2:]
    if whole[2]:
        assert split == whole
