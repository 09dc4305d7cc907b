"""Each cell of docs/middleware.md's tables that a test can reach in time, tried with raw bytes on each server."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.gateway import RunningGateway, eventually
from tests.system.key_holder import signed_fields
from tests.system.raw_http import Connection, chunked, message
from tests.system.wrapped import SERVERS, WrappedServer, wrapped_server

pytestmark = pytest.mark.system

_DOC = (Path(__file__).parents[2] / "docs" / "middleware.md").read_text()
_ROW = re.compile(
    r"^\| (?P<what>[^|]+) \| (?P<uvicorn>[^|]+) \| (?P<hypercorn>[^|]+) \| (?P<granian>[^|]+) \|$", re.MULTILINE
)
_TABLE = {match["what"]: match for match in _ROW.finditer(_DOC)}

_POLICY = """
version: 1
service: app
upstream: app
routes:
  GET /v1/orders: {scope: read}
  POST /v1/orders: {scope: read}
  POST /open: {auth: none}
"""
_MAIN = """
from guard import GuardMiddleware


async def hello(scope, receive, send):
    assert scope["type"] == "http"
    body = dict(scope["headers"])[b"x-forwarded-for"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


app = GuardMiddleware(hello, policies="policies")
"""

Asked = WrappedServer | RunningGateway
Fields = list[tuple[bytes, bytes]]


def _fields(server: Asked, method: str = "GET", target: str = "/v1/orders", body: bytes = b"") -> Fields:
    key = server.key if isinstance(server, WrappedServer) else server.keys["trader"]
    return signed_fields(key, method, target, body)


def _get(server: Asked, *extra: tuple[bytes, bytes], target: str = "/v1/orders") -> bytes:
    return message("GET", target, [*_fields(server), *extra])


def _post(server: Asked, body: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    return message("POST", "/v1/orders", [*_fields(server, "POST", body=b"x"), *extra]) + body


def _trailing_credentials(server: Asked) -> bytes:
    host, *credentials = _fields(server, "POST", body=b"x")
    trailers = b"".join(name + b": " + value + b"\r\n" for name, value in credentials)
    return message("POST", "/v1/orders", [host, _CHUNKED]) + chunked(b"x", trailers=trailers)


_CHUNKED = (b"Transfer-Encoding", b"chunked")
_LENGTH = (b"Content-Length", b"1")
_PROBES: dict[str, Callable[[Asked], bytes]] = {
    "in absolute-form, naming another authority than Host": lambda s: _get(s, target="http://other.test/v1/orders"),
    "with a fragment that was not signed": lambda s: _get(s, target="/v1/orders#y"),
    "with its credentials in trailers after the body": _trailing_credentials,
    "with Content-Length beside Transfer-Encoding": lambda s: _post(s, chunked(b"x"), _LENGTH, _CHUNKED),
    "with Content-Length twice, the same": lambda s: _post(s, b"x", _LENGTH, _LENGTH),
    "whose lines end in LF alone": lambda s: _get(s).replace(b"\r\n", b"\n"),
    "with a field folded over two lines": lambda s: _get(s, (b"X-A", b"1\r\n 2")),
    "with two spaces in its request line": lambda s: _get(s).replace(b"GET /v1/orders HTTP", b"GET  /v1/orders  HTTP"),
    "of HTTP/1.2": lambda s: _get(s).replace(b"HTTP/1.1", b"HTTP/1.2"),
    "with a head of 100 kB": lambda s: _get(s, (b"X-A", b"a" * 100_000)),
    "with 5,000 fields": lambda s: _get(s, *[(b"X-%d" % number, b"1") for number in range(5_000)]),
    "a bare `?` at the end of a signed target": lambda s: message(
        "GET", "/v1/orders?", _fields(s, target="/v1/orders?")
    ),
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WrappedServer]:
    with wrapped_server(tmp_path_factory.mktemp("table"), request.param, _MAIN, _POLICY) as running:
        yield running


def _said(server: Asked, content: bytes, until: bytes = b"\r\n\r\n") -> bytes:
    """What comes back, until an end of a head, a closed connection or three seconds of silence."""
    with Connection(server.port, timeout_s=3.0) as connection:
        connection.send(content)
        try:
            while until not in connection.peek() and not connection.quiet(3.0):
                pass
        except ConnectionError:
            pass
        return connection.peek()


def _outcome(server: Asked, content: bytes) -> str:
    return "served" if _said(server, content).startswith(b"HTTP/1.1 200") else "refused"


def _cell(server: WrappedServer, what: str) -> str:
    return str(_TABLE[what][server.command[0]])


@pytest.mark.parametrize("what", _PROBES)
def test_a_cell_says_what_the_server_does(server: WrappedServer, what: str) -> None:
    assert _outcome(server, _PROBES[what](server)) == _cell(server, what)


@pytest.mark.parametrize("what", [what for what in _PROBES if "`?`" not in what])
def test_guard_serve_refuses_what_stands_in_the_table(gateway: RunningGateway, what: str) -> None:
    content = _PROBES[what](gateway)
    with gateway.nothing_forwarded():
        assert _outcome(gateway, content) == "refused"


def test_who_answers_100_continue_before_the_head_was_judged(server: WrappedServer) -> None:
    expecting = [(b"Host", b"h"), (b"Expect", b"100-continue"), (b"Content-Length", b"5")]
    continued = _said(server, message("POST", "/v1/orders", expecting)).startswith(b"HTTP/1.1 100")
    assert {True: "yes", False: "no"}[continued] == _cell(server, "100 Continue before the head was judged")


def test_who_speaks_http_2_unasked(server: WrappedServer) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    spoken = not _said(server, preface).startswith(b"HTTP/1.1 ")
    assert {True: "yes", False: "no"}[spoken] == _cell(server, "HTTP/2 on the same port, unasked")


_ADDRESS = "the client names its own address, from the same machine, in X-Forwarded-For"
_ASKING = message("POST", "/open", [(b"Host", b"h"), (b"X-Forwarded-For", b"192.0.2.9")])


def test_whom_the_client_can_tell_its_own_address(server: WrappedServer) -> None:
    assert server.ask(_ASKING).body == b"127.0.0.1"
    assert _cell(server, _ADDRESS) in ("no", "unless `--no-proxy-headers`")


def test_uvicorn_believes_it_by_default(tmp_path: Path) -> None:
    with wrapped_server(tmp_path / "home", "uvicorn", _MAIN, _POLICY, "--proxy-headers") as running:
        assert running.ask(_ASKING).body == b"192.0.2.9"


@pytest.mark.parametrize("name", SERVERS)
def test_a_second_worker_on_memory_never_serves(name: str, tmp_path: Path) -> None:
    """Either one worker serves, or the server stops; which of the two is said."""
    home = tmp_path / "home"
    (home / "policies").mkdir(parents=True)
    (home / "policies" / "app.yaml").write_text(_POLICY)
    (home / "main.py").write_text(_MAIN)
    two = WrappedServer(home, (*SERVERS[name], "--workers", "2"))
    two.import_key()
    process = two.launch()
    try:
        eventually(lambda: "belongs to one process" in two.output, 20)
        if _TABLE["a second worker on memory"][name] == "stops":
            eventually(lambda: process.poll() is not None, 20)
        else:
            eventually(lambda: process.poll() is not None or two.listens(), 20)  # as its workers come to start
    finally:
        two.stop()


def test_a_server_that_runs_no_lifespan_serves_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "policies").mkdir(parents=True)
    (home / "policies" / "app.yaml").write_text(_POLICY)
    (home / "main.py").write_text(_MAIN)
    off = WrappedServer(home, (*SERVERS["uvicorn"], "--lifespan", "off"))
    off.launch()
    try:
        eventually(lambda: _refuses_all(off), 20)
    finally:
        off.stop()


def _refuses_all(server: WrappedServer) -> bool:
    try:
        return server.ask(_ASKING).status == 500
    except OSError:
        return False
