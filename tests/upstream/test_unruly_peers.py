"""Slow, early, large, gone and unproved: how the room as a whole meets unruly backends and clients."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from guard.model.exchange import Sent
from guard.upstream.answer import UpstreamFailure
from guard.upstream.body_stream import BodyStream
from tests.upstream.asking import asking, until, whole
from tests.upstream.scripted_backend import OK, Peer, answering

ORDER = b"/v1/orders"


async def test_slow_head_is_a_timeout_and_closes_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        assert await peer.ended()

    async with asking(script, response_ms=60) as it:
        failure = await it.failure()
        assert (failure.code, failure.sent) == ("upstream.timeout", Sent.UNKNOWN)
        assert len(it.backend.received) == 1


@pytest.mark.parametrize("wire", [b"content-length: 5", b"content-length: 500000", b"transfer-encoding: chunked"])
async def test_whole_exchange_ends_within_the_total_of_its_route(wire: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % wire)
        await peer.ended()

    async with asking(script, response_ms=300) as it, asyncio.timeout(2):
        failure = await it.failure("POST", total_ms=400)
        assert (failure.code, failure.sent) == ("upstream.timeout", Sent.YES)


async def test_deadline_of_a_quick_exchange_does_not_reach_the_next() -> None:
    async def script(peer: Peer) -> None:
        for delay_s in itertools.repeat(0.1):
            await peer.request()
            await asyncio.sleep(delay_s)
            await peer.send(OK)

    async with asking(script, response_ms=400) as it:
        for _ in range(6):
            await it.ask()
        assert it.backend.connections == 1


async def test_unreachable_backend_gets_nothing() -> None:
    async with asking(answering(OK)) as it:
        it.pool._origin._port = await _closed_port()
        failure = await it.failure("POST")
        assert (failure.code, failure.sent) == ("upstream.unreachable", Sent.NO)


async def test_early_answer_to_a_large_body_is_passed_on_and_the_connection_closed() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await asyncio.sleep(0.3)

    async with asking(script) as it:
        answer = await it.ask("POST", ORDER, b"x" * 30_000_000)
        assert answer.status == 413
        await it.ask("POST", ORDER, b"x" * 30_000_000)
        assert it.backend.connections == 2


async def test_early_answer_stops_an_upload_and_the_connection_is_closed() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1000
            await asyncio.sleep(0.001)

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 403 No\r\ncontent-length: 4\r\n\r\nnope")
        assert not await peer.ended()

    async with asking(script) as it:
        answer = await it.ask("POST", ORDER, endless())
        assert (answer.status, answer.body) == (403, b"nope")
        stopped_at = taken
        await asyncio.sleep(0.02)
        assert taken == stopped_at
        await it.ask("POST", ORDER, endless())
        assert it.backend.connections == 2


async def test_early_answer_before_a_reset_is_not_lost() -> None:
    async def slow() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000
            await asyncio.sleep(0)

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 403 No\r\ncontent-length: 4\r\n\r\nnope")

    async with asking(script) as it:
        for _ in range(20):
            assert (await it.ask("POST", ORDER, slow())).body == b"nope"


async def test_large_answer_waits_for_its_reader_and_memory_stays_flat() -> None:
    size = 50_000_000
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            await peer.send(b"x" * 50_000)
            sent += 50_000
        await peer.request()
        await peer.send(OK)

    async with asking(script) as it:
        answer = await it.ask()
        assert isinstance(answer.body, BodyStream)
        await asyncio.sleep(0.2)
        assert sent < 20_000_000  # what the kernel's buffers took; nobody has read a byte yet
        got = largest = 0
        async for chunk in answer.body:
            got += len(chunk)
            largest = max(largest, len(chunk), answer.body._held_bytes)
        assert got == size
        assert largest <= 512 * 1024
        await it.ask()
        assert it.backend.connections == 1


async def test_upload_waits_for_the_backend() -> None:
    taken = 0
    reading = asyncio.Event()
    size = 40_000_000

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        while taken < size:
            taken += 50_000
            yield b"x" * 50_000

    async def script(peer: Peer) -> None:
        received = await peer.head()
        await reading.wait()
        assert received.value(b"content-length") == b"%d" % size
        await peer.reader.readexactly(size)
        await peer.send(OK)
        await peer.request()
        await peer.send(OK)

    async with asking(script) as it:
        asked = asyncio.create_task(it.ask("POST", ORDER, body(), body_bytes_announced=size))
        await asyncio.sleep(0.2)
        assert 0 < taken < 20_000_000
        reading.set()
        assert (await asked).body == b"hi"
        await it.ask()
        assert it.backend.connections == 1


async def test_cancelled_exchange_closes_its_connection() -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        assert await peer.ended()
        gone.set()

    async with asking(script, connections_max=1) as it:
        asked = asyncio.create_task(it.ask())
        await until(lambda: len(it.backend.received) == 1)
        asked.cancel()
        async with asyncio.timeout(2):
            await gone.wait()
        assert it.pool._slots == 0


async def test_answer_that_nobody_reads_to_its_end_closes_its_connection() -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await peer.ended()
        gone.set()

    async with asking(script, connections_max=1) as it:
        answer = await it.ask()
        await answer.aclose()
        await answer.aclose()
        async with asyncio.timeout(2):
            await gone.wait()
        assert it.pool._slots == 0


async def test_answer_that_stalls_can_be_abandoned_from_outside_and_its_reader_hears_of_it() -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await peer.ended()
        gone.set()

    async with asking(script, connections_max=1) as it, asyncio.timeout(2):
        answer = await it.ask()
        reading = asyncio.create_task(whole(answer))
        await asyncio.sleep(0.01)
        answer.abandon()
        with pytest.raises(UpstreamFailure, match="nobody read"):
            await reading
        await gone.wait()
        assert it.pool._slots == 0


async def test_client_that_breaks_off_its_body_breaks_off_the_request() -> None:
    cut = asyncio.Event()

    class ClientBrokeError(Exception):
        pass

    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        raise ClientBrokeError

    async def script(peer: Peer) -> None:
        await peer.head()
        assert await peer.reader.read() == b"4\r\nhalf\r\n"
        cut.set()

    async with asking(script) as it:
        with pytest.raises(ClientBrokeError):
            await it.ask("POST", ORDER, body())
        async with asyncio.timeout(2):
            await cut.wait()
        assert it.pool._slots == 0


async def _closed_port() -> int:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
