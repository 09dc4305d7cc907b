"""One message, one reading: framing, syntax, size (BYPASSES.md A42, A43; THREATS.md H1, H2, H4, P1-P4, B1, B2)."""

import gzip
import time
from pathlib import Path

import pytest

from tests.system.gateway import RunningGateway
from tests.system.key_holder import signed_fields
from tests.system.raw_http import Connection, chunked, message

pytestmark = pytest.mark.system

_HOST = [(b"Host", b"gateway.test")]
_SMUGGLED = b"GET /open/smuggled HTTP/1.1\r\nHost: gateway.test\r\n\r\n"


def _post(*fields: tuple[bytes, bytes], body: bytes = b"", target: str = "/open/upload") -> bytes:
    return message("POST", target, [*_HOST, *fields], body)


def _assert_closed_with_400(gateway: RunningGateway, content: bytes) -> None:
    """Refused, nothing of it at the backend, and no byte of it taken for another request."""
    with gateway.nothing_forwarded(), Connection(gateway.port, timeout_s=2) as connection:
        connection.send(content)
        answer = connection.rest()
        assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
        assert answer.count(b"HTTP/1.1 ") == 1, "a second answer: the rest was taken for a request"
        assert b"guard-sent: yes" not in answer
        assert connection.ended()


@pytest.mark.parametrize(
    "fields",
    [
        ((b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked")),
        ((b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"5")),
        ((b"Content-Length", b"5"), (b"Content-Length", b"5")),
        ((b"Content-Length", b"5"), (b"Content-Length", b"6")),
        ((b"Content-Length", b"5, 5"),),
        ((b"Content-Length", b"+5"),),
        ((b"Content-Length", b"-5"),),
        ((b"Content-Length", b"0x5"),),
        ((b"Content-Length", b"5 "), (b"Content-Length", b"5")),
        ((b"Content-Length", b""),),
        ((b"Content-Length", b"5_0"),),
        ((b"Content-Length", b"99999999999999999999"),),
        ((b"Transfer-Encoding", b"chunked, chunked"),),
        ((b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")),
        ((b"Transfer-Encoding", b"identity, chunked"),),
        ((b"Transfer-Encoding", b"gzip, chunked"),),
        ((b"Transfer-Encoding", b"gzip"),),
        ((b"Transfer-Encoding", b"identity"),),
        ((b"Transfer-Encoding", b"chunked, x"),),
        ((b"Transfer-Encoding", b"xchunked"),),
        ((b"Transfer-Encoding", b"chunked;q=1"),),
        ((b"Transfer-Encoding", b'"chunked"'),),
        ((b"Transfer-Encoding", b"\x0bchunked"),),
        ((b"Transfer-Encoding", b"Chunked"),),
        ((b"Transfer_Encoding", b"chunked"), (b"Content-Length", b"5")),
        ((b"Transfer-Encoding ", b"chunked"),),
        ((b" Transfer-Encoding", b"chunked"),),
        ((b"Transfer-Encoding\x00", b"chunked"),),
        ((b"Transfer-Encoding\t", b"chunked"), (b"Content-Length", b"5")),
    ],
)
def test_h1_h2_where_a_body_ends_is_said_once(gateway: RunningGateway, fields: tuple[tuple[bytes, bytes], ...]) -> None:
    """H1, H2: CL.TE, TE.CL, TE.TE, two lengths, and every other spelling. On open and signed routes."""
    body = b"0\r\n\r\n" + _SMUGGLED
    _assert_closed_with_400(gateway, _post(*fields) + body)
    own = signed_fields(gateway.keys["trader"], "POST", "/v1/orders", b"0\r\n\r\n")
    _assert_closed_with_400(gateway, message("POST", "/v1/orders", [*own, *fields]) + body)


@pytest.mark.parametrize(
    "body",
    [
        *(b"5\r\nhello0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"-1\r\n\r\n", b"g\r\n\r\n"),
        *(
            b"\r\n5\r\nhello\r\n0\r\n\r\n",
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"5 5\r\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello\r\n0\r\n\r\n",
        ),
        *(b"FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloX\r\n0\r\n\r\n", b"5\r\r\nhello\r\n0\r\n\r\n"),
    ],
)
def test_p1_a_malformed_chunk_ends_the_message_unexecuted(gateway: RunningGateway, body: bytes) -> None:
    """The signed route's body is whole or nothing; so the backend sees nothing at all."""
    fields = [
        *signed_fields(gateway.keys["trader"], "POST", "/v1/orders", b"hello"),
        (b"Transfer-Encoding", b"chunked"),
    ]
    with gateway.nothing_forwarded(), Connection(gateway.port, timeout_s=2) as connection:
        connection.send(message("POST", "/v1/orders", fields) + body)
        answer = connection.rest()
        assert answer.startswith(b"HTTP/1.1 4"), answer
        assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "content",
    [
        b"GET /open/x HTTP/1.1\nHost: gateway.test\n\n",
        b"GET /open/x HTTP/1.1\r\nHost: gateway.test\nX: 1\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: gateway.test\r\nX: 1\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: gateway.test\r\nX: 1\r\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: gateway.test\r\r\nX: 1\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: gateway.test\r\nX: a\r\n b\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: gateway.test\r\nX: a\r\n\tb\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\n Host: gateway.test\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost:\r\n gateway.test\r\n\r\n",
        b"POST /open/upload HTTP/1.1\r\nHost: gateway.test\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost : gateway.test\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: gateway.test\r\nNo colon\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: gateway.test\r\n: empty\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: gateway.test\r\nX(Y): 1\r\n\r\n",
        b"GET /open/x\r\nHost: gateway.test\r\n\r\n",
        b"GET /open/x HTTP/9.9\r\nHost: gateway.test\r\n\r\n",
        b"GET /open/x HTTP/1.1 x\r\nHost: gateway.test\r\n\r\n",
        b"GET /open/x http/1.1\r\nHost: gateway.test\r\n\r\n",
        b"GET\t/open/x\tHTTP/1.1\r\nHost: gateway.test\r\n\r\n",
        b"GET /open/x y HTTP/1.1\r\nHost: gateway.test\r\n\r\n",
        b"GET /open/\x00x HTTP/1.1\r\nHost: gateway.test\r\n\r\n",
        b"GET /open/\x7fx HTTP/1.1\r\nHost: gateway.test\r\n\r\n",
        b"GET /open/\xe9 HTTP/1.1\r\nHost: gateway.test\r\n\r\n",
        b"GET /open/x?\x01 HTTP/1.1\r\nHost: gateway.test\r\n\r\n",
        b"GET /open/x?\xff HTTP/1.1\r\nHost: gateway.test\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00" * 64,
    ],
)
def test_p1_p2_p3_what_only_some_parsers_read_is_read_by_none(gateway: RunningGateway, content: bytes) -> None:
    """P1-P3: bare LF, CR CR LF, folded lines, control bytes, other protocols."""
    _assert_closed_with_400(gateway, content)


@pytest.mark.parametrize(
    "host",
    [
        *(b"user@gateway.test", b"gateway.test/open", b"gateway.test?x", b"gateway.test#x", b"gateway.test:80:80", b""),
        *(b"gateway.test:port", b"gateway.test:99999", b"gateway..test", b"gateway.test,other.test", b"[gateway.test]"),
        *(
            b"gateway.test other.test",
            b"[::1",
            b"[fe80::1%25eth0]",
            b"gateway.test\\x",
            b"http://gateway.test",
            b"%67.test",
        ),
    ],
)
def test_h4_an_authority_is_a_name_and_a_port(gateway: RunningGateway, host: bytes) -> None:
    gateway.assert_refused(message("GET", "/open/x", [(b"Host", host)]), 400, "request.malformed")


def test_h4_no_host_two_hosts_and_a_strange_host(gateway: RunningGateway) -> None:
    gateway.assert_refused(message("GET", "/open/x"), 400, "request.malformed")
    for pair in (
        (b"gateway.test", b"gateway.test"),
        (b"gateway.test", b"other.test"),
        (b"other.test", b"gateway.test"),
    ):
        fields = [(b"Host", value) for value in pair]
        gateway.assert_refused(message("GET", "/open/x", fields), 400, "request.malformed")
    gateway.assert_refused(message("GET", "/open/x", [(b"Host", b"evil.test")]), 421, "request.misdirected")
    gateway.assert_refused(message("GET", "/open/x", [(b"Host", b"127.0.0.1")]), 421, "request.misdirected")


@pytest.mark.parametrize("cut", [20, 120, -12, -1])
def test_p4_a_truncated_order_is_not_executed(gateway: RunningGateway, cut: int) -> None:
    """P4: the client goes away in the middle of the head, or of the body, or before the last byte."""
    content = gateway.signed("POST", "/v1/orders", b'{"qty":123}')
    with gateway.nothing_forwarded(), Connection(gateway.port, timeout_s=2) as connection:
        connection.send(content[:cut])
        connection.socket.shutdown(1)
        assert b"HTTP/1.1 2" not in connection.rest()


def test_p4_a_chunked_order_without_its_last_chunk_is_not_executed(gateway: RunningGateway) -> None:
    body = b'{"qty":123}'
    fields = [*signed_fields(gateway.keys["trader"], "POST", "/v1/orders", body), (b"Transfer-Encoding", b"chunked")]
    with gateway.nothing_forwarded(), Connection(gateway.port, timeout_s=2) as connection:
        connection.send(message("POST", "/v1/orders", fields, chunked(body)[:-5]))
        connection.socket.shutdown(1)
        assert b"HTTP/1.1 2" not in connection.rest()


@pytest.mark.parametrize("length", [65_537, 1 << 40, (1 << 63) - 1, 1 << 63, 10**18])
def test_b1_an_announced_size_over_the_limit_is_refused_at_once(gateway: RunningGateway, length: int) -> None:
    """B1: without waiting for the body; the connection is closed, so no byte of it becomes a request."""
    announced = (b"Content-Length", b"%d" % length)
    own = signed_fields(gateway.keys["trader"], "POST", "/v1/orders", b"x")
    for content in (_post(announced), message("POST", "/v1/orders", [*own, announced])):
        started = time.monotonic()
        with gateway.nothing_forwarded(), Connection(gateway.port, timeout_s=3) as connection:
            connection.send(content + _SMUGGLED)
            answer = connection.response()
            assert (answer.status, answer.code) == (413, "request.too_large")
            assert connection.ended()
        assert time.monotonic() - started < 2


def test_b2_compressed_bodies_pass_as_they_are(gateway: RunningGateway) -> None:
    """B2: the digest is over what arrived, and nothing is inflated: bombs, wrong and unknown codings."""
    bomb = gzip.compress(bytes(1 << 20))
    for coding, body in (
        (b"gzip", bomb),
        (b"gzip, gzip", gzip.compress(bomb)),
        (b"br", b"no brotli"),
        (b"x-unknown", b"{}"),
    ):
        extra = [(b"Content-Encoding", coding)]
        _, received = gateway.assert_forwarded(gateway.signed("POST", "/v1/orders", body, extra=extra))
        assert (received.body, received.values(b"content-encoding")) == (body, [coding])


@pytest.mark.parametrize(
    "value",
    [
        b"a" * 60_000 + b"!",
        b"(" * 60_000,
        b"[" * 60_000,
        b", " * 30_000,
        b"%25" * 20_000,
        b'"' * 60_000,
        b";=" * 30_000,
    ],
)
def test_a42_no_value_costs_more_than_its_length(gateway: RunningGateway, value: bytes) -> None:
    """A42: in each field that is parsed, in the target, in the Host. Seconds would be a backtracking pattern."""
    names = (b"Connection", b"Content-Digest", b"X-Forwarded-For", b"Forwarded", b"Guard-Nonce", b"Guard-Key", b"Host")
    own = signed_fields(gateway.keys["trader"], "GET", "/v1/orders")
    contents = [message("GET", "/v1/orders", [*own, (name, value)]) for name in names]
    contents += [
        message("GET", b"/open/" + value.replace(b" ", b""), _HOST),
        message("GET", b"/open/x?" + value.replace(b" ", b""), _HOST),
        message("GET", "/v1/prices", [*_HOST, (b"Guard-Api-Key", value)]),
    ]
    for content in contents:
        started = time.monotonic()
        assert gateway.ask(content).status < 500
        assert time.monotonic() - started < 3
    gateway.assert_alive()


def test_a42_what_stands_beyond_any_prefix_is_looked_at_too(gateway: RunningGateway) -> None:
    """A bad byte, an alias and a second credential behind 56 KB that are good."""
    filler = [(b"X-Filler-%d" % number, b"a" * 14_000) for number in range(4)]
    own = signed_fields(gateway.keys["trader"], "GET", "/v1/orders")
    for bad in ((b"X-Late", b"\xff"), (b"Guard_Account", b"x"), (b"Guard-Nonce", b"n" * 22)):
        content = message("GET", "/v1/orders", [*own, *filler, bad])
        gateway.assert_refused(content, 400, "request.malformed")
    gateway.assert_refused(message("GET", b"/open/" + b"a/" * 7_000 + b"../x", _HOST), 400, "request.bad_path")
    gateway.assert_forwarded(message("GET", "/v1/orders", [*own, *filler]))


def test_500_fields_of_one_name_cost_no_more_than_others(gateway: RunningGateway) -> None:
    fields = [*_HOST, *((b"X-%d" % number, b"v") for number in range(500))]
    started = time.monotonic()
    assert gateway.ask(message("GET", "/open/x", fields)).status < 500
    assert time.monotonic() - started < 3


def test_a43_memory_stays_flat_under_bodies_that_nobody_may_send(gateway: RunningGateway) -> None:
    """A43: 40 connections, each 4 MB in chunks into signed and open routes that take 64 KiB."""
    before = _resident_bytes(gateway.pid)
    part = b"%x\r\n%b\r\n" % (65_000, bytes(65_000))
    for number in range(40):
        own = signed_fields(gateway.keys["trader"], "POST", "/v1/orders", b"x")
        fields = [*(own if number % 2 else _HOST), (b"Transfer-Encoding", b"chunked")]
        with Connection(gateway.port, timeout_s=3) as connection:
            try:
                connection.send(message("POST", "/v1/orders" if number % 2 else "/open/upload", fields))
                for _ in range(62):
                    connection.send(part)
            except OSError:
                continue  # closed while we were still sending: as it should be
            assert connection.rest().startswith(b"HTTP/1.1 413 ")
    time.sleep(0.1)  # what was begun and broken off may still be on its way to the backend
    gateway.assert_alive()
    assert _resident_bytes(gateway.pid) - before < 16 * 1024 * 1024


def _resident_bytes(pid: int) -> int:
    """The process's resident memory (proc(5))."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
