from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.upstream.request import request_from
from tests.build import facts

HOST = (b"host", b"gateway.test")


async def _pieces() -> AsyncIterator[bytes]:
    yield b"piece"


@pytest.mark.parametrize(
    ("verb", "body", "announced", "framing"),
    [
        ("GET", b"", None, b""),
        ("DELETE", b"", None, b""),
        ("GET", b"", 0, b"content-length: 0\r\n"),
        ("POST", b"", None, b"content-length: 0\r\n"),
        ("PUT", b"", None, b"content-length: 0\r\n"),
        ("PATCH", b"", None, b"content-length: 0\r\n"),
        ("POST", b"{}", 2, b"content-length: 2\r\n"),
        ("DELETE", b"{}", None, b"content-length: 2\r\n"),
    ],
)
def test_length_is_said_where_there_is_a_body_or_one_is_expected(
    verb: str, body: bytes, announced: int | None, framing: bytes
) -> None:
    request = request_from(facts(verb, b"/x", body_bytes_announced=announced), [HOST], body)
    assert request.head == verb.encode() + b" /x HTTP/1.1\r\nhost: gateway.test\r\n" + framing + b"\r\n"
    assert request.body == body


@pytest.mark.parametrize(
    ("announced", "framing"), [(5, b"content-length: 5\r\n"), (None, b"transfer-encoding: chunked\r\n")]
)
def test_streamed_body_goes_by_the_announced_length_or_in_chunks(announced: int | None, framing: bytes) -> None:
    pieces = _pieces()
    request = request_from(facts("POST", b"/x", body=None, body_bytes_announced=announced), [HOST], pieces)
    assert request.head == b"POST /x HTTP/1.1\r\nhost: gateway.test\r\n" + framing + b"\r\n"
    assert (request.body, request.content_bytes) == (pieces, announced)


def test_stream_of_a_request_that_has_no_body_is_no_body() -> None:
    request = request_from(facts("GET", b"/x", body=b""), [HOST], _pieces())
    assert (request.head, request.body) == (b"GET /x HTTP/1.1\r\nhost: gateway.test\r\n\r\n", b"")


def test_target_is_sent_as_received() -> None:
    request = request_from(facts("GET", b"/a%2fb;c", query=b""), [], b"")
    assert request.head == b"GET /a%2fb;c? HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(
    "changes",
    [
        {"path": b"/x HTTP/1.1\r\n\r\nGET /evil"},
        {"query": b"a\nb"},
        {"verb": "GET\r"},
    ],
)
def test_line_end_in_the_request_line_is_not_sent(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="line end"):
        request_from(facts(**{"verb": "GET", "path": b"/x", **changes}), [HOST], b"")


@given(value=st.binary(max_size=20), name=st.binary(max_size=5))
def test_a_field_is_one_line_or_nothing_is_sent(name: bytes, value: bytes) -> None:
    line = name + b": " + value
    if b"\r" in line or b"\n" in line:
        with pytest.raises(ValueError, match="line end"):
            request_from(facts("GET", b"/x"), [HOST, (name, value)], b"")
    else:
        head = request_from(facts("GET", b"/x"), [HOST, (name, value)], b"").head
        assert head == b"GET /x HTTP/1.1\r\nhost: gateway.test\r\n" + line + b"\r\n\r\n"
