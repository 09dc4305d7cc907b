"""Several requests on one connection: each gets its own answer, and what cannot be read spoils no other (I6, I9, H3).

Includes requests to become another protocol, none of which is heard (BYPASSES.md A38, A46).
"""

import asyncio
import threading
import time

import pytest

from tests.system.gateway import RunningGateway, eventually
from tests.system.key_holder import signed_fields
from tests.system.raw_http import Connection, message
from tests.system.recording_backend import Peer, Received, after

pytestmark = pytest.mark.system

_HOST = [(b"Host", b"gateway.test")]
_NONSENSE = b"NONSENSE\r\n\r\n"


def test_pipelined_requests_are_answered_in_their_order(gateway: RunningGateway) -> None:
    """A slow one first; then one that is refused, an order and a read. Each answer is that of its request."""
    contents = [
        message("GET", "/open/slow", _HOST),
        message("GET", "/nowhere", _HOST),
        gateway.signed("POST", "/v1/orders", b"{}"),
        message("GET", "/open/last", _HOST),
    ]
    with gateway.backend.script("/open/slow", after(0.2)), Connection(gateway.port) as connection:
        connection.send(b"".join(contents))
        answers = [connection.response() for _ in contents]
    assert [answer.status for answer in answers] == [200, 404, 200, 200]
    assert [b"/open/slow" in answers[0].body, b"/v1/orders" in answers[2].body, b"/open/last" in answers[3].body] == [
        True
    ] * 3


def test_what_cannot_be_read_is_no_answer_to_the_request_before_it(gateway: RunningGateway) -> None:
    """An order and nonsense in one segment: the order's own answer comes, and no `sent: no` for it."""
    mark = len(gateway.backend.record)
    with gateway.backend.script("/v1/orders", after(0.1)), Connection(gateway.port, timeout_s=3) as connection:
        connection.send(gateway.signed("POST", "/v1/orders", b"{}") + _NONSENSE)
        first = connection.response()
        assert first.status == 200
        assert first.value(b"guard-sent") == b"yes"
        rest = connection.rest()
        assert rest == b"" or rest.startswith(b"HTTP/1.1 400 ")
        assert connection.ended()
    assert [each.path for each in gateway.backend.since(mark)] == ["/v1/orders"]


def test_what_cannot_be_read_breaks_into_no_answer_under_way(gateway: RunningGateway) -> None:
    """An answer streams; what is sent meanwhile cannot be read, and no refusal stands in the middle of the answer."""
    lines = b"HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n"

    async def early(peer: Peer, _: Received) -> bool:
        await peer.send(lines + b"a" * 200_000)
        await asyncio.sleep(0.5)
        return False

    with gateway.backend.script("/open/early", early), Connection(gateway.port, timeout_s=2) as connection:
        connection.send(message("GET", "/open/early", _HOST))
        time.sleep(0.1)
        connection.send(_NONSENSE)
        assert connection.rest().count(b"HTTP/1.1 ") == 1
    gateway.assert_alive()


def test_a_refused_body_is_never_read_as_a_request(gateway: RunningGateway) -> None:
    """I9: its bytes look like a request; the connection ends instead."""
    smuggled = message("GET", "/open/smuggled", _HOST)
    for content in (
        message("POST", "/v1/orders", [*_HOST, (b"Content-Length", b"%d" % len(smuggled))]),
        message("POST", "/nowhere", [*_HOST, (b"Content-Length", b"%d" % len(smuggled))]),
        message("POST", "/v1/orders", [*_HOST, (b"Content-Length", b"999999")]),
    ):
        with gateway.nothing_forwarded(), Connection(gateway.port, timeout_s=3) as connection:
            connection.send(content)
            first = connection.response()
            assert first.status in (401, 404, 413)
            assert first.closed
            try:
                connection.send(smuggled * 2)
            except OSError:
                continue
            assert b"HTTP/1.1" not in connection.rest()


@pytest.mark.parametrize("target", ["/v1/orders", "/open/x", "/v1/time"])
@pytest.mark.parametrize("protocol", [b"websocket", b"h2c", b"h2c, websocket", b"TLS/1.0", b"HTTP/2.0", b"connect-udp"])
def test_a46_nothing_becomes_another_protocol(gateway: RunningGateway, protocol: bytes, target: str) -> None:
    """A46, H3: no 101. Without credentials nothing reaches a signed route; on an open one, a plain request at most."""
    upgrade = [
        *_HOST,
        (b"Connection", b"Upgrade, HTTP2-Settings"),
        (b"Upgrade", protocol),
        (b"HTTP2-Settings", b"AAMAAABkAAQAAP__"),
        (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        (b"Sec-WebSocket-Version", b"13"),
    ]
    mark = len(gateway.backend.record)
    with Connection(gateway.port) as connection:
        connection.send(message("GET", target, upgrade))
        answer = connection.response()
        assert answer.status == (401 if target == "/v1/orders" else 200)
        connection.socket.settimeout(1)
        connection.send(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
        assert b"HTTP/1.1 101" not in connection.rest()
    seen = gateway.backend.since(mark)
    assert len(seen) == (0 if target == "/v1/orders" else 1)
    for received in seen:
        assert not received.names() & {b"upgrade", b"http2-settings", b"connection"}
    gateway.assert_alive()


def test_a46_a_signed_upgrade_opens_no_socket_either(gateway: RunningGateway) -> None:
    fields = signed_fields(gateway.keys["trader"], "GET", "/v1/orders")
    upgrade = [(b"Connection", b"upgrade"), (b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13")]
    _, received = gateway.assert_forwarded(message("GET", "/v1/orders", [*fields, *upgrade]))
    assert not received.names() & {b"upgrade", b"connection"}


def test_a37_a_client_that_goes_away_takes_no_answer_of_anothers(gateway: RunningGateway) -> None:
    """300 clients leave in the middle; 300 requests of another, at the same time, get their own answers."""

    def leave() -> None:
        for _ in range(300):
            with Connection(gateway.port) as connection:
                connection.send(message("GET", "/open/leaving", _HOST))

    with gateway.backend.script("/open/leaving", after(0.02)):
        leaving = threading.Thread(target=leave)
        leaving.start()
        with Connection(gateway.port) as connection:
            asked = [gateway.signed("POST", f"/v1/orders?mine={number}", b"{}") for number in range(300)]
            answers = [connection.ask(content).body for content in asked]
        leaving.join()
    assert [f'"/v1/orders?mine={number}"'.encode() in body for number, body in enumerate(answers)] == [True] * 300


def test_a_client_that_leaves_after_its_order_was_admitted_has_it_executed_and_logged(gateway: RunningGateway) -> None:
    content = gateway.signed("POST", "/v1/orders", b'{"left":1}')
    with gateway.backend.script("/v1/orders", after(0.2)):
        lines = len(gateway.decisions())
        mark = len(gateway.backend.record)
        with Connection(gateway.port) as connection:
            connection.send(content)
            eventually(lambda: len(gateway.backend.record) > mark)
        line = eventually(
            lambda: next((each for each in gateway.decisions()[lines:] if each.get("bytes_in") == 10), None)
        )
    assert (line["decision"], line["sent"], line["status"]) == ("allow", "yes", 200)
