"""Large bodies stream, both ways, and the gateway holds little of them; bodies that are too large are refused."""

import asyncio
import hashlib
import threading
import time
from pathlib import Path
from typing import Self

import pytest

from tests.system.gateway import RunningGateway, eventually, running_gateway
from tests.system.key_holder import signed_fields
from tests.system.raw_http import Connection, chunked, message
from tests.system.recording_backend import Peer, Received, RecordingBackend

pytestmark = pytest.mark.system

_HOST = [(b"Host", b"gateway.test")]
_MIB = 1 << 20
_PIECE = bytes(range(256)) * 256
_PIECES = 20 * _MIB // len(_PIECE)


def _resident_bytes(gateway: RunningGateway) -> int:
    """The process's resident memory (proc(5))."""
    return int(Path(f"/proc/{gateway.pid}/statm").read_text().split()[1]) * 4096


class _Watched:
    """The most memory that the gateway held while the block ran, beyond what it held before."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._gateway = gateway
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.grown_bytes = 0

    def __enter__(self) -> Self:
        self._before = _resident_bytes(self._gateway)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.005):
            self.grown_bytes = max(self.grown_bytes, _resident_bytes(self._gateway) - self._before)


async def _large(peer: Peer, _: Received) -> bool:
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (20 * _MIB))
    for _piece in range(_PIECES):
        await peer.send(_PIECE)
    return True


async def _large_in_chunks(peer: Peer, _: Received) -> bool:
    await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    for _piece in range(_PIECES):
        await peer.send(b"%x\r\n%b\r\n" % (len(_PIECE), _PIECE))
    await peer.send(b"0\r\nx-trailer: dropped\r\n\r\n")
    return True


@pytest.mark.parametrize("script", [_large, _large_in_chunks])
def test_20_mib_come_down_whole_in_flat_memory(gateway: RunningGateway, script: object) -> None:
    """On a signed route; with a length and in chunks; read slowly at first, so that only backpressure can help."""
    mark = len(gateway.backend.record)
    with gateway.backend.script("/v1/files/large", script), Connection(gateway.port) as connection:  # type: ignore[arg-type]
        with _Watched(gateway) as watched:
            connection.send(gateway.signed("GET", "/v1/files/large"))
            time.sleep(0.3)
            response = connection.response()
        assert hashlib.sha256(response.body).digest() == hashlib.sha256(_PIECE * _PIECES).digest()
        assert connection.ask(message("GET", "/open/x", _HOST)).status == 200, "the connection goes on"
    assert watched.grown_bytes < 6 * _MIB
    assert len(gateway.backend.since(mark)) == 2


@pytest.mark.parametrize("framing", [b"content-length", b"transfer-encoding"])
def test_20_mib_go_up_whole_in_flat_memory(gateway: RunningGateway, framing: bytes) -> None:
    """On an open route, to a backend that reads slowly at first."""

    async def slow(peer: Peer, received: Received) -> bool:
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(received.body[:7]) + received.body[:7])
        return True

    coded = framing == b"transfer-encoding"
    field = (framing, b"chunked" if coded else b"%d" % (20 * _MIB))
    mark = len(gateway.backend.record)
    with gateway.backend.script("/open/large", slow), Connection(gateway.port) as connection:
        with _Watched(gateway) as watched:
            connection.send(message("PUT", "/open/large", [*_HOST, field]))
            for _ in range(_PIECES):
                connection.send(b"%x\r\n%b\r\n" % (len(_PIECE), _PIECE) if coded else _PIECE)
            connection.send(b"0\r\n\r\n" if coded else b"")
            response = connection.response()
        assert (response.status, response.body) == (200, _PIECE[:7])
    (received,) = gateway.backend.since(mark)
    assert hashlib.sha256(received.body).digest() == hashlib.sha256(_PIECE * _PIECES).digest()
    assert watched.grown_bytes < 6 * _MIB


def test_an_upload_streams_before_it_has_come_whole(gateway: RunningGateway) -> None:
    mark = len(gateway.backend.record)
    with Connection(gateway.port) as connection:
        connection.send(message("PUT", "/open/large", [*_HOST, (b"Content-Length", b"10")]) + b"begin")
        received = eventually(lambda: next(iter(gateway.backend.since(mark)), None))
        eventually(lambda: received.body == b"begin")
        assert not received.complete
        connection.send(b"n end")
        assert connection.response().status == 200
    assert (received.body, received.complete) == (b"beginn end", True)


def test_a_signed_body_does_not_stream(gateway: RunningGateway) -> None:
    """Not one byte goes upstream before the last has come and its digest is right."""
    content = gateway.signed("POST", "/v1/orders", b"x" * 50_000)
    mark = len(gateway.backend.record)
    with Connection(gateway.port) as connection:
        connection.send(content[:-1])
        time.sleep(0.2)
        assert gateway.backend.since(mark) == []
        connection.send(content[-1:])
        assert connection.response().status == 200
    assert [len(each.body) for each in gateway.backend.since(mark)] == [50_000]


def test_a_download_streams_before_it_has_come_whole(gateway: RunningGateway) -> None:
    release = threading.Event()

    async def halves(peer: Peer, _: Received) -> bool:
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await asyncio.to_thread(release.wait)
        await peer.send(b"4\r\nlast\r\n0\r\n\r\n")
        return True

    with gateway.backend.script("/open/halves", halves), Connection(gateway.port) as connection:
        connection.send(message("GET", "/open/halves", _HOST))
        seen = b""
        while b"first" not in seen:
            seen += connection.socket.recv(1000)
        release.set()
        while not seen.endswith(b"0\r\n\r\n"):
            seen += connection.socket.recv(1000)
    assert b"last" in seen


def test_a_body_larger_than_announced_is_the_next_request_or_nothing(gateway: RunningGateway) -> None:
    """Bytes after the announced length are no part of the body."""
    mark = len(gateway.backend.record)
    with Connection(gateway.port) as connection:
        upload = message("POST", "/open/upload", [*_HOST, (b"Content-Length", b"3")]) + b"abc"
        connection.send(upload + message("GET", "/open/next", _HOST))
        assert [connection.response().status, connection.response().status] == [200, 200]
    assert [(each.path, each.body) for each in gateway.backend.since(mark)] == [
        ("/open/upload", b"abc"),
        ("/open/next", b""),
    ]


def test_413_for_a_chunked_body_that_grows_too_large(gateway: RunningGateway) -> None:
    """On the open route the backend has seen a beginning by then, never an end; on the signed one nothing."""
    part = b"x" * 16_384
    with gateway.nothing_forwarded():
        fields = [
            *signed_fields(gateway.keys["trader"], "POST", "/v1/orders", part * 5),
            (b"Transfer-Encoding", b"chunked"),
        ]
        response = gateway.ask(message("POST", "/v1/orders", fields, chunked(*[part] * 5)))
        assert (response.status, response.code, response.value(b"guard-sent")) == (413, "request.too_large", b"no")
    mark = len(gateway.backend.record)
    with Connection(gateway.port) as connection:
        connection.send(message("POST", "/open/upload", [*_HOST, (b"Transfer-Encoding", b"chunked")]))
        time.sleep(0.05)  # so that the body does not come with its head, and is streamed
        response = connection.ask(chunked(*[part] * 5))
    assert (response.status, response.code, response.value(b"guard-sent")) == (413, "request.too_large", b"unknown")
    time.sleep(0.1)
    assert [each.complete for each in gateway.backend.since(mark)] in ([False], [])
    gateway.assert_alive()


def test_a_body_of_exactly_the_limit_passes(gateway: RunningGateway) -> None:
    body = b"x" * 65_536
    gateway.assert_forwarded(gateway.signed("POST", "/v1/orders", body))
    gateway.assert_refused(gateway.signed("POST", "/v1/orders", body + b"x"), 413, "request.too_large")
    coded = [*_HOST, (b"Transfer-Encoding", b"chunked")]
    _, received = gateway.assert_forwarded(message("POST", "/open/upload", coded, chunked(body)))
    assert (received.body, received.complete) == (body, True)


def test_100_continue_is_said_once_the_head_is_good(gateway: RunningGateway) -> None:
    body = b'{"qty":1}'
    fields = [*signed_fields(gateway.keys["trader"], "POST", "/v1/orders", body), (b"Expect", b"100-continue")]
    with Connection(gateway.port) as connection:
        connection.send(message("POST", "/v1/orders", [*fields, (b"Content-Length", b"%d" % len(body))]))
        assert connection.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.send(body)
        assert connection.response().status == 200


def test_unverified_bytes_of_one_address_have_a_budget(tmp_path: Path, backend: RecordingBackend) -> None:
    """Binance signs the body, so it is held before it is proved: 20 KB an address here. Others are not hindered.

    What is proved at the head (guard-v1) does not count; what was held is given back when its client goes.
    """
    budget = {"GUARD_BODY_BYTES_UNVERIFIED_PER_ADDRESS_MAX": "20000"}
    form = (b"Content-Type", b"application/x-www-form-urlencoded")
    with running_gateway(tmp_path / "home", backend, environment=budget) as own:
        key = (b"X-MBX-APIKEY", own.keys["trader"].id.encode())
        post = (
            message("POST", "/api/v3/order", [*_HOST, key, form, (b"Content-Length", b"30000")]) + b"a=" + b"b" * 12_998
        )
        with Connection(own.port) as first, Connection(own.port) as second:
            first.send(post)
            time.sleep(0.1)
            second.send(post)
            refused = second.response()
            assert (refused.status, refused.code, refused.closed) == (503, "gateway.overloaded", True)
            with Connection(own.port, source="127.0.0.8") as elsewhere:
                elsewhere.send(post)
                elsewhere.socket.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    elsewhere.response()
            own.assert_forwarded(own.signed("POST", "/v1/orders", b"x" * 60_000))
        time.sleep(0.1)
        with Connection(own.port, timeout_s=0.3) as third:
            third.send(post)
            with pytest.raises(TimeoutError):
                third.response()
