import asyncio

import pytest

from guard.model.upstream_policy import HealthPolicy
from guard.upstream.checks import check_for_ever, is_well
from guard.upstream.origin import Origin
from tests.upstream.asking import until
from tests.upstream.build_allow import monotonic_ms
from tests.upstream.scripted_backend import OK, Backend, Peer, Script, answering, closing_after, scripted

POLICY = HealthPolicy(path=b"/healthz?deep=1", every_ms=10, timeout_ms=200, healthy=1, unhealthy=1)


def origin(backend: Backend) -> Origin:
    return Origin(f"http://127.0.0.1:{backend.port}", None)


async def well(script: Script) -> bool:
    async with scripted(script) as backend, asyncio.timeout(2):
        return await is_well(origin(backend), POLICY, monotonic_ms)


async def test_it_asks_for_the_path_in_the_endpoint_s_own_name_on_a_connection_of_its_own() -> None:
    async with scripted(closing_after(OK)) as backend:
        for _ in range(2):
            assert await is_well(origin(backend), POLICY, monotonic_ms)
        assert backend.connections == 2
        assert backend.received[0].head == (
            b"GET /healthz?deep=1 HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nuser-agent: guard-health\r\nconnection: close"
            % backend.port
        )


@pytest.mark.parametrize(
    ("status", "expected"), [(b"200", True), (b"204", True), (b"302", True), (b"404", False), (b"503", False)]
)
async def test_2xx_and_3xx_are_well(status: bytes, *, expected: bool) -> None:
    assert await well(answering(b"HTTP/1.1 %b X\r\ncontent-length: 0\r\n\r\n" % status)) is expected


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000,
    ],
)
async def test_what_is_no_answer_is_not_well(wire: bytes) -> None:
    assert not await well(closing_after(wire))


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi"])
async def test_an_answer_that_does_not_come_in_time_is_not_well(said: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(said)
        assert await peer.ended()

    assert not await well(script)


async def test_endless_answer_is_not_read() -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.send(b"x" * 10_000)
            sent += 10_000

    assert await well(script)
    assert sent < 20_000_000


async def test_endpoint_that_takes_no_connection_is_not_well() -> None:
    async with scripted(answering(OK)) as backend:
        closed = origin(backend)
    assert not await is_well(closed, POLICY, monotonic_ms)


async def test_checks_go_on_until_they_are_cancelled_and_leave_no_connection() -> None:
    verdicts: list[bool] = []
    bad = b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n"

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(bad if peer.number == 1 else OK)
        await peer.ended()

    async with scripted(script) as backend:
        checks = asyncio.create_task(check_for_ever(origin(backend), POLICY, monotonic_ms, verdicts.append))
        await until(lambda: len(verdicts) >= 3)
        checks.cancel()
        await asyncio.wait((checks,))
        await until(lambda: not backend.tasks)
        made = backend.connections
        await asyncio.sleep(0.05)
        assert backend.connections == made
    assert verdicts[:3] == [True, False, True]
