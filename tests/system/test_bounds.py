"""What only a listener can refuse or bound, because nobody above the parser sees it."""

import time
from contextlib import ExitStack

import pytest

from tests.system.gateway import RunningGateway
from tests.system.raw_http import Connection

pytestmark = pytest.mark.system

_HEAD = b"Host: gateway.test\r\n"
_CODED = b"POST /open/upload HTTP/1.1\r\n" + _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
_HEAD_S = 10.0


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(b"GET  /open/x HTTP/1.1\r\n" + _HEAD + b"\r\n", 400, id="A39 two spaces before the target"),
        pytest.param(b"GET /open/x  HTTP/1.1\r\n" + _HEAD + b"\r\n", 400, id="A39 two spaces behind the target"),
        pytest.param(b"\nGET /open/x HTTP/1.1\r\n" + _HEAD + b"\r\n", 400, id="P1 a bare LF before the request line"),
        pytest.param(b"GET /open/x RTSP/1.0\r\n" + _HEAD + b"\r\n", 400, id="P1 another protocol's name"),
        pytest.param(b"GET /open/x HTTP/1.1\r\nbroken\r\n\r\n", 400, id="P1 a line that is no field"),
        pytest.param(b"GET /open/x HTTP/1.1\r\n" + _HEAD + b"X: " + b"a" * 200_000, 431, id="A41 a field of 200 KB"),
        pytest.param(b"GET /open/x HTTP/1.1\r\n" + _HEAD + b"X: a\r\n" * 2000 + b"\r\n", 431, id="A41 2000 fields"),
    ],
)
def test_a_head_that_forgives_nothing_and_has_a_size(gateway: RunningGateway, content: bytes, status: int) -> None:
    with gateway.nothing_forwarded():
        response = gateway.ask(content)
    assert (response.status, response.closed) == (status, True)
    assert response.value(b"guard-request-id") is not None
    gateway.assert_alive()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"5;a=" + b"a" * 200_000 + b"\r\nhello\r\n0\r\n\r\n", id="B1 a chunk extension of 200 KB"),
        pytest.param(b"5\r\nhello\r\n0\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", id="B1 a trailer of 200 KB"),
    ],
)
def test_what_stands_beside_a_body_has_a_size(gateway: RunningGateway, content: bytes) -> None:
    mark = len(gateway.backend.record)
    with Connection(gateway.port) as connection:
        assert connection.ask(_CODED + content).status == 400
    assert not any(received.complete for received in gateway.backend.since(mark))
    gateway.assert_alive()


def test_d1_who_says_nothing_or_half_of_it_is_dropped_in_time(gateway: RunningGateway) -> None:
    """100 of each at once, while others are served."""
    with ExitStack() as opened:
        silent, halves = (
            [opened.enter_context(Connection(gateway.port, timeout_s=_HEAD_S + 5)) for _ in range(100)]
            for _ in range(2)
        )
        begun = time.monotonic()
        for connection in halves:
            connection.send(b"GET /open/x HTTP/1.1\r\nHost: gat")
        gateway.assert_alive()
        assert [connection.response().status for connection in halves] == [408] * 100
        assert all(connection.ended() for connection in silent)
        assert time.monotonic() - begun < _HEAD_S + 5
