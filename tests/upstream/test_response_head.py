import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guard.upstream.response_head import ResponseHead, read_head


def head(*lines: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join((status, *lines, b"", b""))


def read(*lines: bytes, status: bytes = b"HTTP/1.1 200 OK") -> ResponseHead:
    found = read_head(head(*lines, status=status))
    assert isinstance(found, ResponseHead), found
    return found


def test_names_are_in_lower_case_and_values_without_outer_white_space() -> None:
    found = read(b"X-A: \t one two\t ", b"x-b:")
    assert (found.status, found.reason) == (200, b"OK")
    assert found.fields == ((b"x-a", b"one two"), (b"x-b", b""))
    assert (found.length, found.chunked, found.stays, found.kept_ms) == (None, False, True, None)


@pytest.mark.parametrize(
    ("status", "lines", "stays"),
    [
        (b"HTTP/1.1 200 OK", (), True),
        (b"HTTP/1.1 200 OK", (b"connection: Close",), False),
        (b"HTTP/1.1 200 OK", (b"connection: x,\tclose ",), False),
        (b"HTTP/1.1 200 OK", (b"connection: keep-alive", b"connection: close"), False),
        (b"HTTP/1.1 200 OK", (b"connection: closed",), True),
        (b"HTTP/1.0 200 OK", (), False),
        (b"HTTP/1.0 200 OK", (b"connection: Keep-Alive",), True),
        (b"HTTP/1.0 200 OK", (b"connection: keep-alive, close",), False),
    ],
)
def test_connection_stays_as_its_version_and_options_say(
    status: bytes, lines: tuple[bytes, ...], *, stays: bool
) -> None:
    assert read(*lines, status=status).stays is stays


@pytest.mark.parametrize(
    ("value", "kept_ms", "stays"),
    [
        (b"timeout=5", 4000, True),
        (b"timeout=5, max=100", 4000, True),
        (b'max=100, Timeout = "30"', 29_000, True),
        (b"timeout=1", 0, False),
        (b"timeout=0", 0, False),
        (b"max=100", None, True),
        (b"mytimeout=1", None, True),
        (b"timeout=soon", None, True),
        (b"", None, True),
    ],
)
def test_connection_is_kept_a_second_less_than_the_backend_says(
    value: bytes, kept_ms: int | None, *, stays: bool
) -> None:
    found = read(b"keep-alive: " + value)
    assert (found.kept_ms, found.stays) == (kept_ms, stays)


@pytest.mark.parametrize(
    "wire",
    [
        head(status=b"HTTP/1.1 101 Switching"),
        head(b"connection: upgrade", b"upgrade: x", status=b"HTTP/1.1 101 Switching"),
        head(status=b"HTTP/1.1 099 No"),
        head(status=b"HTTP/1.1 600 No"),
        head(status=b"HTTP/2.0 200 OK"),
        head(status=b"ICE/1.0 200 OK"),
        head(b"content-length: 1", b"content-length: 1"),
        head(b"content-length: 18446744073709551615"),
        head(b"content-length: 1", b"transfer-encoding: chunked"),
        head(b"transfer-encoding: chunked", b"transfer-encoding: chunked"),
        head(b"transfer-encoding: chunked", status=b"HTTP/1.0 200 OK"),
        head(b"transfer-encoding: gzip, chunked"),
        head(b"a: b\rc: d"),
        head(b"a: b\nc: d"),
        head(b"a b: c"),
        head(b": c"),
        head(b"a: b", b" c"),
        head(*[b"a: b"] * 201),
        b"\r\n" + head(),
    ],
)
def test_head_that_two_readers_could_read_differently_is_none(wire: bytes) -> None:
    assert isinstance(read_head(wire), str)


def test_head_that_offers_another_protocol_is_still_a_head() -> None:
    assert read(b"connection: upgrade, keep-alive", b"upgrade: h2c", b"content-length: 0").length == 0


@given(st.binary(max_size=80), st.binary(max_size=80))
@example(b"x: y\r\n", b"")
def test_no_field_that_is_read_holds_a_line_end(before: bytes, after: bytes) -> None:
    found = read_head(b"HTTP/1.1 200 OK\r\n" + before + b"\r\nx: y\r\n" + after + b"\r\n\r\n")
    if isinstance(found, ResponseHead):
        assert not any(end in part for field in found.fields for part in field for end in (b"\r", b"\n"))
        assert all(name == name.lower() and name for name, _ in found.fields)


@pytest.mark.parametrize("length", [10, 2000])
def test_second_reading_says_the_same_as_the_first(length: int) -> None:
    wire = head(b"a: " + b"b" * length, b"content-length: 3")
    assert read_head(wire) == read_head(bytes(bytearray(wire)))
