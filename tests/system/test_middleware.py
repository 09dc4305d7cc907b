"""GuardMiddleware on uvicorn, hypercorn and granian: the same line, the application in the backend's place."""

import json
from collections.abc import Iterator

import pytest

from tests.system.gateway import eventually
from tests.system.raw_http import Connection, Response, chunked, message
from tests.system.wrapped import SERVERS, WrappedServer, wrapped_server

pytestmark = pytest.mark.system

POLICY = """
version: 1
service: app
upstream: {url: app, max_body: 64KiB}
auth: {scheme: guard-v1}
limits:
  burst: {per: [key], rate: 3/s, burst: 3, routes: [limited]}
routes:
  GET /v1/{rest...}: {scope: read}
  GET /v1/limited: {scope: read, group: limited}
  POST /v1/orders: {scope: trade}
  POST /open/{what}: {auth: none}
"""

MAIN = '''
import asyncio
import json

from guard import Admitted, GuardMiddleware
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

seen = []


async def echo(request: Request) -> Response:
    admitted: Admitted = request.scope["guard"]
    body = await request.body()
    fields = sorted((name.decode(), value.decode("latin-1")) for name, value in request.scope["headers"])
    return JSONResponse(
        {
            "target": [request.url.path, request.scope["raw_path"].decode(), request.scope["query_string"].decode()],
            "fields": fields,
            "body": body.decode(),
            "guard": [admitted.request_id, admitted.account, admitted.key_id, sorted(admitted.scopes)],
            "extensions": sorted(request.scope["extensions"]),
        },
        headers={"Guard-Account": "forged", "RateLimit": "forged", "X-Mine": "kept"},
    )


async def status(request: Request) -> Response:
    code = int(request.path_params["code"])
    return Response(status_code=code, content=b"" if code in (204, 304) else b"text")


async def crash(request: Request) -> Response:
    raise RuntimeError("the crash of the application")


async def silent(scope, receive, send) -> None:
    pass


async def broken(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})


async def parts(request: Request) -> Response:
    async def content():
        yield b"first"
        await asyncio.sleep(2)
        yield b"second"

    return StreamingResponse(content())


async def count(request: Request) -> Response:
    size = 0
    async for part in request.stream():
        size += len(part)
    return JSONResponse({"size": size})


async def waits(request: Request) -> Response:
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)
    seen.append("disconnect")
    return Response()


async def told(request: Request) -> Response:
    return JSONResponse(seen)


class Plain:
    """A class, so that Starlette takes it for an ASGI application."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


routes = [
    Route("/v1/orders", echo, methods=["GET", "POST"]),
    Route("/v1/limited", echo),
    Route("/v1/status/{code}", status),
    Route("/v1/crash", crash),
    Route("/v1/silent", Plain(silent)),
    Route("/v1/broken", Plain(broken)),
    Route("/v1/parts", parts),
    Route("/v1/waits", waits),
    Route("/v1/told", told),
    Route("/open/count", count, methods=["POST"]),
    Route("/open/ignore", status, methods=["POST"]),
    Route("/{rest:path}", echo),
]
app = GuardMiddleware(Starlette(routes=routes), policies="policies")
'''


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WrappedServer]:
    with wrapped_server(tmp_path_factory.mktemp("wrapped"), request.param, MAIN, POLICY) as running:
        yield running


def _seen(response: Response) -> dict[str, object]:
    assert response.status == 200, response.body
    seen: dict[str, object] = json.loads(response.body)
    return seen


def test_a_signed_request_is_answered_by_the_application_once(server: WrappedServer) -> None:
    content = server.signed("POST", "/v1/orders?a=%20b&c", b'{"side":"buy"}')
    response = server.ask(content)
    seen = _seen(response)
    assert seen["target"] == ["/v1/orders", "/v1/orders", "a=%20b&c"]
    assert seen["body"] == '{"side":"buy"}'
    assert response.value(b"guard-sent") == b"yes"
    again = server.ask(content)
    assert (again.status, again.code) == (401, "auth.replayed")


def test_the_application_is_told_who_sent_it_in_fields_and_in_the_scope(server: WrappedServer) -> None:
    forged = [(b"Guard-Account", b"forged"), (b"X-Forwarded-For", b"192.0.2.1"), (b"X-Real-IP", b"192.0.2.1")]
    response = server.ask(server.signed("GET", "/v1/orders", extra=forged))
    seen = _seen(response)
    fields = dict(seen["fields"])  # type: ignore[call-overload]
    request_id = (response.value(b"guard-request-id") or b"").decode()
    assert seen["guard"] == [request_id, "acme", server.key.id, ["read", "trade"]]
    assert fields["guard-account"] == "acme"
    assert fields["guard-key-id"] == server.key.id
    assert fields["guard-scopes"] == "read trade"
    assert fields["guard-request-id"] == request_id
    assert fields["x-forwarded-for"] == "127.0.0.1"
    assert "x-real-ip" not in fields
    assert seen["extensions"] == []


def test_the_application_cannot_speak_for_guard(server: WrappedServer) -> None:
    response = server.ask(server.signed("GET", "/v1/orders"))
    assert response.value(b"guard-account") is None
    assert response.value(b"ratelimit") is None
    assert response.value(b"x-mine") == b"kept"


def test_what_is_tampered_with_unsigned_or_unknown_never_reaches_the_application(server: WrappedServer) -> None:
    good = server.signed("POST", "/v1/orders", b"12")
    assert server.ask(good.replace(b"\r\n\r\n12", b"\r\n\r\n21")).code == "auth.invalid"
    assert server.ask(good.replace(b"/v1/orders", b"/v1/orders?x")).code == "auth.invalid"
    assert server.ask(message("GET", "/v1/orders", [(b"Host", b"h")])).code == "auth.missing"
    assert server.ask(message("GET", "/nowhere", [(b"Host", b"h")])).code == "route.unknown"


def test_what_is_over_a_limit_is_refused(server: WrappedServer) -> None:
    answers = [server.ask(server.signed("GET", "/v1/limited")) for _ in range(8)]
    assert answers[0].status == 200
    assert (answers[0].value(b"ratelimit") or b"").startswith(b'"burst";r=')
    assert 429 in [answer.status for answer in answers]


@pytest.mark.parametrize("code", [200, 204, 304, 404])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_answers_with_and_without_a_body_are_framed_as_they_should(
    server: WrappedServer, method: str, code: int
) -> None:
    with Connection(server.port) as connection:
        for _ in range(2):
            response = connection.ask(server.signed(method, f"/v1/status/{code}"))
            assert response.status == code
            assert response.body == (b"text" if method == "GET" and code in (200, 404) else b"")


def test_an_answer_comes_as_it_is_made(server: WrappedServer) -> None:
    with Connection(server.port) as connection:
        connection.send(server.signed("GET", "/v1/parts"))
        eventually(lambda: b"first" in connection.peek() and b"second" not in connection.peek())
        assert connection.response().body == b"firstsecond"


def test_what_the_application_raises_is_a_502_and_reaches_its_server(server: WrappedServer) -> None:
    response = server.ask(server.signed("GET", "/v1/crash"))
    assert response.status == 500  # Starlette's own answer, before it raises again
    assert response.value(b"guard-sent") == b"yes"
    eventually(lambda: "the crash of the application" in server.output)


def test_an_application_without_an_answer_is_a_502(server: WrappedServer) -> None:
    response = server.ask(server.signed("GET", "/v1/silent"))
    assert (response.status, response.code) == (502, "upstream.broken")
    assert response.value(b"guard-sent") == b"yes"


def test_a_part_of_an_answer_is_not_presented_as_the_whole(server: WrappedServer) -> None:
    with Connection(server.port) as connection:
        connection.send(server.signed("GET", "/v1/broken"))
        with pytest.raises(ConnectionError):
            connection.response()


def test_the_body_of_an_open_route_streams_and_grows_no_further_than_it_may(server: WrappedServer) -> None:
    host = [(b"Host", b"h"), (b"Transfer-Encoding", b"chunked")]
    assert _seen(server.ask(message("POST", "/open/count", host) + chunked(b"x" * 1000, b"y" * 1000)))["size"] == 2000
    refused = server.ask(message("POST", "/open/count", host) + chunked(*[b"x" * 10_000] * 10))
    assert (refused.status, refused.value(b"guard-sent")) == (413, b"yes")


def test_a_client_that_leaves_is_seen_by_the_application(server: WrappedServer) -> None:
    connection = Connection(server.port)
    connection.send(server.signed("GET", "/v1/waits"))
    eventually(lambda: connection.quiet(0.2))
    connection.close()
    eventually(lambda: b"disconnect" in server.ask(server.signed("GET", "/v1/told")).body)


def test_a_websocket_is_refused(server: WrappedServer) -> None:
    upgrade = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13")]
    key = [(b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="), (b"Host", b"h")]
    with Connection(server.port) as connection:
        connection.send(message("GET", "/v1/orders", [*upgrade, *key]))
        assert eventually(connection.peek).startswith(b"HTTP/1.1 403")
