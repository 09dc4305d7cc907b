"""Rows of BYPASSES.md that other files do not have, over a real socket: A01, A23, A24, A38, A40, A41.

A37 is in test_pipelines and test_soak_runs, A39 in test_messages and test_bounds, A43 in test_messages,
test_backend_faults and test_soak_runs. HTTP/2 (rapid reset, pseudo-fields) is not spoken at all.
"""

import hmac
import json
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

from tests.system import recording_backend
from tests.system.gateway import RunningGateway, eventually, running_gateway
from tests.system.key_holder import Key, new_nonce, wall_ms
from tests.system.raw_http import Connection, Response, message
from tests.system.recording_backend import Peer, Received, RecordingBackend, Script, answer, answering

pytestmark = pytest.mark.system

_HOST = [(b"Host", b"gateway.test")]
_VENUE = b"venue.test"
_PROXY = "127.0.0.9"
_RESET = struct.pack("ii", 1, 0)


@pytest.mark.parametrize(
    "target",
    [
        *(b"/v1%2Forders", b"/v1%2forders", b"/v1%5Corders", b"/v1%5corders", b"/v1%252Forders", b"/v1%255corders"),
        *(b"/open%2F..%2Fv1/orders", b"/open/x%2F..%2F..%2Fadmin", b"/open/..%5c..%5cadmin", b"/%2Fv1/orders"),
        *(b"/open/%25252e%25252e/admin", b"/v1/orders%2F", b"/v1/orders%2F..", b"/v1/orders%00"),
    ],
)
def test_a01_no_encoded_separator_is_routed(gateway: RunningGateway, target: bytes) -> None:
    """400 before routing: on a path of an open route, of a signed one and of none, signed or not."""
    for content in (
        message("GET", target, _HOST),
        gateway.signed("GET", target),
        gateway.signed("POST", target, b"{}"),
    ):
        gateway.assert_refused(content, 400, "request.bad_path")


def test_a23_an_order_in_early_data_is_executed_once(gateway: RunningGateway) -> None:
    """What TLS delivers before its handshake ends may be delivered again (RFC 8470): the second time is a replay."""
    content = gateway.signed("POST", "/v1/orders", b'{"early":1}', extra=[(b"Early-Data", b"1")])
    mark = len(gateway.backend.record)
    assert [gateway.ask(content).status for _ in range(5)] == [200, 401, 401, 401, 401]
    assert len(gateway.backend.since(mark)) == 1


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")
def test_a23_tls_takes_no_early_data(tmp_path: Path, backend: RecordingBackend) -> None:
    """The tickets of the listener say so, and a client that has one is refused its early data, not served by it."""
    cert, key, ticket = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ticket.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    _openssl("req", "-x509", *curve, "-subj", "/CN=gateway.test", "-keyout", str(key), "-out", str(cert))
    tls = {"GUARD_TLS_CERT_FILE": str(cert), "GUARD_TLS_KEY_FILE": str(key), "GUARD_HEAD_MS_MAX": "1000"}
    with running_gateway(tmp_path / "home", backend, environment=tls) as own:
        client = ("s_client", "-tls1_3", "-quiet", "-connect", f"127.0.0.1:{own.port}")
        closing = (b"Connection", b"close")
        told = _openssl(*client, "-sess_out", str(ticket), stdin=own.signed("GET", "/v1/orders", extra=[closing]))
        assert told.startswith(b"HTTP/1.1 200 ")
        assert b"Max Early Data: 0" in _openssl("sess_id", "-in", str(ticket), "-noout", "-text")
        early = tmp_path / "early"
        early.write_bytes(own.signed("POST", "/v1/orders", b"{}", extra=[closing]))
        mark = len(backend.record)
        _openssl(*client, "-sess_in", str(ticket), "-early_data", str(early))
        assert backend.since(mark) == []


def _openssl(*words: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(  # noqa: S603  # on files and ports of our own
        ["openssl", *words],  # noqa: S607  # wherever it is
        input=stdin,
        capture_output=True,
        timeout=20,
        check=False,
    )
    return done.stdout


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory, backend: RecordingBackend) -> Iterator[RunningGateway]:
    """A gateway whose policy reads JSON bodies, and counts addresses by their network."""
    policies = Path(__file__).parent / "policies_bypasses"
    with running_gateway(tmp_path_factory.mktemp("venue"), backend, policies=policies) as running:
        eventually(lambda: _counted(running, b"2001:db8:ffff::1").status == 200)
        time.sleep(5)  # the buckets fill from the start on
        yield running


def _counted(gateway: RunningGateway, client: bytes) -> Response:
    fields = [(b"Host", _VENUE), (b"X-Forwarded-For", client)]
    return gateway.ask(message("GET", "/counted", fields), source=_PROXY)


def test_a24_10_000_addresses_of_one_network_share_a_bucket(venue: RunningGateway) -> None:
    """Whatever the last 64 bits are; and the network beside it has a bucket of its own."""
    started = time.monotonic()
    with Connection(venue.port, source=_PROXY) as connection:
        contents = (
            message("GET", "/counted", [(b"Host", _VENUE), (b"X-Forwarded-For", b"2001:db8:1:2:%x:%x::1" % (n, n * 3))])
            for n in range(1, 10_001)
        )
        statuses = [connection.ask(content).status for content in contents]
    assert set(statuses) == {200, 429}
    assert 5 <= statuses.count(200) <= 5 + int(time.monotonic() - started) + 1
    beside = [_counted(venue, b"2001:db8:1:3::%x" % n).status for n in range(8)]
    assert beside[:5] == [200] * 5
    assert 429 in beside[5:]  # one token comes each second


def _truncated() -> Script:
    return answering(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", goes_on=False)


@pytest.mark.parametrize(
    ("script", "statuses"),
    [
        pytest.param(answering(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"), {502}, id="upgrade"),
        pytest.param(_truncated(), {502, None}, id="truncated"),
        pytest.param(answering(answer(b"own") + b"HTTP/1.1 200 OK\r\n"), {200}, id="begins another"),
        pytest.param(
            answering(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\nown"), {200}, id="close"
        ),
        pytest.param(answering(b"HTTP/1.1 204 None\r\ncontent-length: 3\r\n\r\n", b"own"), {204}, id="204 with a body"),
    ],
)
def test_a38_a_doubtful_answer_is_the_last_of_its_connection(
    gateway: RunningGateway, script: Script, statuses: set[int | None]
) -> None:
    """The next request goes out on another connection, and gets the answer that is its own."""
    for number in range(5):
        gateway.ask(gateway.signed("GET", "/v1/canary"))
        with gateway.backend.script("/v1/orders", script):
            assert _status(gateway, gateway.signed("POST", "/v1/orders", b"{}")) in statuses
        before = gateway.backend.connections
        following = gateway.ask(message("GET", f"/open/after/{number}", _HOST))
        assert f'"/open/after/{number}"'.encode() in following.body
        assert gateway.backend.connections == before + 1


def test_a38_an_answer_before_the_upload_ended_is_the_last_of_its_connection(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backend answers the head; what was not sent of the body cannot be taken for a request, on either side."""
    rest: list[bytes] = []

    async def unread(*_: object) -> None:
        """Leaves the body where it is."""

    async def early(peer: Peer, _: Received) -> bool:
        await peer.send(answer(b"early"))
        rest.append(await peer.reader.read())
        return False

    monkeypatch.setattr(recording_backend, "_read_body", unread)
    with gateway.backend.script("/open/large", early), Connection(gateway.port) as connection:
        connection.send(message("PUT", "/open/large", [*_HOST, (b"Content-Length", b"60000")]) + b"x")
        first = connection.response()
        assert (first.status, first.body, first.closed) == (200, b"early", True)
        with suppress(OSError):
            connection.send(message("GET", "/open/smuggled", _HOST) * 100)
        assert b"HTTP/1.1" not in connection.rest()
        eventually(lambda: rest)
    monkeypatch.undo()
    assert b"smuggled" not in rest[0]
    gateway.assert_alive()


def _status(gateway: RunningGateway, content: bytes) -> int | None:
    """The status, or None for an answer that broke off."""
    try:
        return gateway.ask(content).status
    except ConnectionError:
        return None


def _venue_order(key: Key, body: bytes) -> bytes:
    base = b"\n".join((key.id.encode(), b"POST", _VENUE, b"/v1/orders", body))
    signature = hmac.new(key.secret, base, sha256).hexdigest().encode()
    fields = [(b"X-Key", key.id.encode()), (b"X-Sig", signature), (b"Content-Type", b"application/json")]
    return message("POST", "/v1/orders", [(b"Host", _VENUE), *fields], body)


def _members(**more: object) -> dict[str, object]:
    return {"timestamp": str(wall_ms()), "nonce": new_nonce(), "qty": 1, **more}


def test_a40_the_backend_gets_the_bytes_that_were_read(venue: RunningGateway) -> None:
    """Odd spacing, escapes and numbers as they came: nothing is written anew."""
    told = _members()
    body = b'{ "timestamp":"%s",\n "nonce" : "%s", "qty": 1.00, "\\u0071": "\\ud83d\\ude00", "n": 1e400 }' % (
        str(told["timestamp"]).encode(),
        str(told["nonce"]).encode(),
    )
    _, received = venue.assert_forwarded(_venue_order(venue.keys["trader"], body))
    assert received.body == body


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(lambda body: body[:-1] + b', "qty": 2}', id="a name twice"),
        pytest.param(lambda body: body[:-1] + b', "q\\u0074y": 2}', id="a name twice, once with an escape"),
        pytest.param(lambda body: body[:-1] + b', "x": {"a": 1, "a": 2}}', id="a name twice further in"),
        pytest.param(lambda body: body[:-1] + b', "nonce": "%s"}' % (b"n" * 22), id="the nonce twice"),
        pytest.param(lambda body: body[:-1] + b', "x": NaN}', id="NaN"),
        pytest.param(lambda body: body[:-1] + b', "x": -Infinity}', id="infinity"),
        pytest.param(lambda body: b"\xef\xbb\xbf" + body, id="a byte order mark"),
        pytest.param(lambda body: body.decode().encode("utf-16"), id="UTF-16"),
        pytest.param(lambda body: body[:-1] + b', "x": "\xff"}', id="no UTF-8"),
        pytest.param(lambda body: body[:-1] + b', "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", id="5000 levels"),
        pytest.param(lambda body: body + b"{}", id="two documents"),
        pytest.param(lambda body: body[:-1] + b",}", id="a comma too many"),
        pytest.param(lambda body: body[:-1] + b", 'x': 1}", id="single quotes"),
    ],
)
def test_a40_a_body_with_two_readings_reaches_nobody(venue: RunningGateway, spoilt: Callable[[bytes], bytes]) -> None:
    """Signed by its holder, so nothing but the reading is at fault."""
    body = spoilt(json.dumps(_members()).encode())
    mark = len(venue.backend.record)
    response = venue.ask(_venue_order(venue.keys["trader"], body))
    assert (response.status, response.value(b"guard-sent")) == (400, b"no")
    assert venue.backend.since(mark) == []


def test_a40_a_huge_integer_costs_nothing_and_is_forwarded_as_it_is(venue: RunningGateway) -> None:
    body = json.dumps(_members()).encode()[:-1] + b', "x": ' + b"9" * 20_000 + b"}"
    started = time.monotonic()
    _, received = venue.assert_forwarded(_venue_order(venue.keys["trader"], body))
    assert received.body == body
    assert time.monotonic() - started < 3


def test_a41_who_connects_and_resets_2000_times_takes_nothing_from_others(gateway: RunningGateway) -> None:
    """HTTP/1.1's rapid reset: a request, and gone before its answer. Others are answered, and no socket stays."""
    descriptors = Path(f"/proc/{gateway.pid}/fd")
    before = len(list(descriptors.iterdir()))

    def flood(number: int) -> None:
        for _ in range(500):
            connection = Connection(gateway.port, source=f"127.0.2.{1 + number}")
            connection.send(message("GET", "/open/reset", _HOST))
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        flooding = [pool.submit(flood, number) for number in range(4)]
        statuses = []
        while not all(each.done() for each in flooding):
            statuses.append(gateway.ask(gateway.signed("GET", "/v1/orders")).status)
        for each in flooding:
            each.result()
    assert set(statuses) == {200}
    eventually(lambda: len(list(descriptors.iterdir())) <= before + 8, 10)
