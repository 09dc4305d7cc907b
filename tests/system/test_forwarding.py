"""What was verified is what is sent, to the byte, and who sent it is said by the gateway alone."""

import secrets

import pytest

from tests.system.gateway import RunningGateway
from tests.system.key_holder import minted, signed, signed_fields
from tests.system.raw_http import Connection, message
from tests.system.recording_backend import answer, answering

pytestmark = pytest.mark.system

_HOST = [(b"Host", b"gateway.test")]


def test_identity_arrives_and_it_is_the_gateways(gateway: RunningGateway) -> None:
    forged = [
        *((b"Guard-Account", b"victim"), (b"Guard-Key-Id", b"victim"), (b"guard-scopes", b"withdraw")),
        *((b"X-Forwarded-For", b"1.2.3.4"), (b"Forwarded", b"for=1.2.3.4"), (b"X-Real-IP", b"1.2.3.4")),
        *((b"X-Consumer-Username", b"victim"), (b"X-HTTP-Method-Override", b"DELETE"), (b"X-Internal-Debug", b"1")),
    ]
    content = gateway.signed("POST", "/v1/orders", b"{}", extra=forged)
    response, received = gateway.assert_forwarded(content)
    key = gateway.keys["trader"]
    assert received.values(b"guard-account") == [b"acme"]
    assert received.values(b"guard-key-id") == [key.id.encode()]
    assert received.values(b"guard-scopes") == [b"read trade"]
    assert received.values(b"guard-request-id") == [response.value(b"guard-request-id")]
    assert received.values(b"x-forwarded-for") == [b"127.0.0.1"]
    assert received.values(b"forwarded") == [b"for=127.0.0.1;proto=http;host=gateway.test"]
    assert received.values(b"host") == [b"gateway.test"]
    gone = {b"x-real-ip", b"x-consumer-username", b"x-http-method-override", b"x-internal-debug"}
    assert not received.names() & (gone | {b"guard-signature", b"guard-key", b"guard-nonce", b"guard-timestamp"})


def test_an_open_route_names_nobody(gateway: RunningGateway) -> None:
    """Not even whoever says who it is, correctly signed: nothing was verified."""
    _, received = gateway.assert_forwarded(gateway.signed("GET", "/open/x"))
    assert not received.names() & {b"guard-account", b"guard-key-id", b"guard-scopes", b"guard-key"}
    assert len(received.values(b"guard-request-id")) == 1


@pytest.mark.parametrize(
    "target",
    [
        *(b"/v1/files/a", b"/v1/files/a?", b"/v1/files/a?b", b"/v1/files/a?b=c&b=c", b"/v1/files/a?%41=%zz"),
        *(b"/v1/files/a?x=/../y", b"/v1/files/a??", b"/v1/files/a?a+b=c+d", b"/v1/files/%C3%A9", b"/v1/files/a%20b"),
        *(
            b"/v1/files/a:b@c,d+e=f",
            b"/v1/files/~a!b$c&d'(e)*",
            b'/v1/files/a?{}|\\^`"<>[]',
            b"/v1/files/" + b"a" * 8000,
        ),
    ],
)
def test_the_target_is_forwarded_to_the_byte(gateway: RunningGateway, target: bytes) -> None:
    assert gateway.assert_forwarded(gateway.signed("GET", target))[1].target == target


@pytest.mark.parametrize("body", [bytes(range(256)), b"\r\n\r\n", b"0\r\n\r\n", b"\x00", secrets.token_bytes(65_536)])
def test_the_body_is_forwarded_to_the_byte(gateway: RunningGateway, body: bytes) -> None:
    """Signed and open, in one piece and byte by byte."""
    _, received = gateway.assert_forwarded(gateway.signed("POST", "/v1/orders", body))
    assert (received.body, received.complete) == (body, True)
    _, received = gateway.assert_forwarded(message("POST", "/open/upload", _HOST, body))
    assert (received.body, received.values(b"content-length")) == (body, [b"%d" % len(body)])
    content = gateway.signed("POST", "/v1/orders", body[:40])
    mark = len(gateway.backend.record)
    with Connection(gateway.port) as connection:
        for position in range(len(content)):
            connection.send(content[position : position + 1])
        assert connection.response().status == 200
    assert [each.body for each in gateway.backend.since(mark)] == [body[:40]]


def test_fields_are_forwarded_in_order_with_their_values(gateway: RunningGateway) -> None:
    """Names in lower case; repeated ones stay apart; what is hop by hop stays here."""
    extra = [
        *((b"X-B", b"2"), (b"X-A", b"1"), (b"X-B", b"3"), (b"Cookie", b"a=b; c=d"), (b"Authorization", b"Bearer x")),
        *(
            (b"TE", b"trailers"),
            (b"Keep-Alive", b"timeout=5"),
            (b"Proxy-Connection", b"keep-alive"),
            (b"Expect", b"100-continue"),
        ),
        *((b"X-Empty", b""), (b"X-Quoted", b'"a, b"; c="\\""')),
    ]
    _, received = gateway.assert_forwarded(gateway.signed("POST", "/v1/orders", b"{}", extra=extra))
    own = [line for line in received.lines if line.startswith((b"x-a", b"x-b", b"cookie", b"auth", b"x-e", b"x-q"))]
    expected = [b"x-b: 2", b"x-a: 1", b"x-b: 3", b"cookie: a=b; c=d", b"authorization: Bearer x", b"x-empty: "]
    assert own == [*expected, b'x-quoted: "a, b"; c="\\""']
    assert not received.names() & {b"te", b"keep-alive", b"proxy-connection", b"expect", b"connection"}


def test_every_answer_says_whether_the_backend_has_it(gateway: RunningGateway) -> None:
    """And carries a request id of its own."""
    contents = {
        message("GET", "/v1/time", _HOST): (200, b"yes"),
        gateway.signed("POST", "/v1/orders", b"{}"): (200, b"yes"),
        message("GET", "/nowhere", _HOST): (404, b"no"),
        message("GET", "/v1/orders", _HOST): (401, b"no"),
        message("GET", "/open/..", _HOST): (400, b"no"),
        message("GET", "/", [(b"Host", b"evil.test")]): (421, b"no"),
        message("OPTIONS", "/v1/time", _HOST): (405, b"no"),
        signed(gateway.keys["reader"], "POST", "/v1/orders", b"{}"): (403, b"no"),
        gateway.signed("POST", "/v1/orders", b"{}", host=b"down.test"): (502, b"no"),
    }
    responses = {content: gateway.ask(content) for content in contents}
    seen = {content: (response.status, response.value(b"guard-sent")) for content, response in responses.items()}
    assert seen == contents
    assert len({response.value(b"guard-request-id") for response in responses.values()} - {None}) == len(contents)


def test_the_backend_cannot_speak_for_the_gateway(gateway: RunningGateway) -> None:
    """Its copies of our fields go, in any spelling; hop by hop fields too; all else comes back as it was."""
    fields = [
        *(
            b"Guard-Sent: no",
            b"Guard-Reason: none",
            b"guard_request_id: x",
            b"RateLimit: x",
            b"X-Forwarded-For: 1.1.1.1",
        ),
        *(b"Connection: x-hop", b"X-Hop: 1", b"Keep-Alive: timeout=1", b"Proxy-Authenticate: Basic", b"Upgrade: h2c"),
        *(b"Set-Cookie: a=1", b"Set-Cookie: b=2", b'ETag: "x"', b"X-Kept: yes", b"Content-Type: text/plain"),
    ]
    with gateway.backend.script("/open/speaks", answering(answer(b"body", *fields, status=b"418 I'm a teapot"))):
        response = gateway.ask(message("GET", "/open/speaks", _HOST))
    kept = [(name, value) for name, value in response.fields if not name.startswith((b"guard-", b"date"))]
    assert (response.status, response.body) == (418, b"body")
    assert [field for field in kept if field != (b"content-length", b"4")] == [
        *((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"etag", b'"x"')),
        *((b"x-kept", b"yes"), (b"content-type", b"text/plain")),
    ]
    assert (b"content-length", b"4") in kept
    assert (response.value(b"guard-sent"), response.value(b"guard-reason")) == (b"yes", None)


@pytest.mark.parametrize(
    ("method", "head", "status"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\netag: x\r\n\r\n", 200),
        ("HEAD", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\netag: x\r\n\r\n", 200),
        ("HEAD", b"HTTP/1.1 404 Not Found\r\netag: x\r\n\r\n", 404),
        ("GET", b"HTTP/1.1 204 No Content\r\netag: x\r\n\r\n", 204),
        ("GET", b"HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n", 304),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 1234\r\netag: x\r\n\r\n", 304),
    ],
)
def test_an_answer_without_a_body_has_none_and_the_connection_goes_on(
    gateway: RunningGateway, method: str, head: bytes, status: int
) -> None:
    """HEAD, 204 and 304 (RFC 9110 section 6.4.1), with and without a length that is of another answer."""
    with gateway.backend.script("/open/bodiless", answering(head)), Connection(gateway.port, timeout_s=3) as connection:
        for _ in range(3):
            response = connection.ask(message(method, "/open/bodiless", _HOST))
            assert (response.status, response.body, response.value(b"etag")) == (status, b"", b"x")
            assert (response.value(b"guard-sent"), response.closed) == (b"yes", False)
        assert connection.ask(message("GET", "/open/x", _HOST)).status == 200


def test_an_error_of_the_backend_is_the_backends(gateway: RunningGateway) -> None:
    """401, 429 and 500 of the backend come through as they are: no problem of ours, and said to be `sent`."""
    for status in (b"401 Unauthorized", b"429 Too Many Requests", b"500 Internal Server Error", b"503 Busy"):
        with gateway.backend.script("/open/error", answering(answer(b"theirs", status=status))):
            response = gateway.ask(message("GET", "/open/error", _HOST))
        assert (response.status, response.body) == (int(status[:3]), b"theirs")
        assert (response.value(b"guard-sent"), response.value(b"guard-reason")) == (b"yes", None)


def test_the_account_of_a_key_is_told_as_it_stands(gateway: RunningGateway) -> None:
    """Every character that an account may have arrives; none of them ends a line."""
    key = minted("k:a@b/c.d", account="desk:7@acme/eu-1.x_y")
    gateway.import_keys(key)
    gateway.wait_until_followed()
    fields = signed_fields(key, "GET", "/v1/orders")
    _, received = gateway.assert_forwarded(message("GET", "/v1/orders", fields))
    assert received.values(b"guard-account") == [b"desk:7@acme/eu-1.x_y"]
    assert received.values(b"guard-key-id") == [key.id.encode()]
