"""The listener over real sockets."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from guard.server.limits import Limits
from guard.server.listener import Listener
from tests.server.apps import Echo, answering
from tests.server.in_memory import until

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
QUICK = Limits(head_ms=150, body_progress_ms=150, idle_ms=150, write_stall_ms=150, linger_ms=100)


@asynccontextmanager
async def _listening(app: Any, limits: Limits | None = None, grace_s: int = 5) -> AsyncIterator[Listener]:
    listener = Listener(app, "127.0.0.1", 0, grace_s=grace_s, limits=limits or Limits())
    await listener.start()
    try:
        yield listener
    finally:
        await listener.stop()
        assert listener.connections == 0


async def _all(port: int, content: bytes) -> bytes:
    """Everything that is answered until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(content)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


async def _one(port: int) -> bytes:
    return await _all(port, GET.replace(b"Host", b"Connection: close\r\nHost"))


async def test_an_answer_comes_and_the_connection_ends_when_asked() -> None:
    async with _listening(Echo()) as listener:
        assert (await _one(listener.port)).endswith(b"connection: close\r\n\r\n/x ")


async def test_a_port_that_is_taken_is_refused_at_once() -> None:
    async with _listening(Echo()) as listener:
        with pytest.raises(OSError, match="in use"):
            Listener(Echo(), "127.0.0.1", listener.port)


async def test_one_that_never_started_can_be_stopped() -> None:
    listener = Listener(Echo(), "::1", 0)
    assert listener.port
    await listener.stop()


async def test_the_client_is_told_apart_and_the_large_answer_is_whole() -> None:
    app = answering(b"x" * 3_000_000, b"y" * 100_000, fields=[(b"connection", b"close")])
    async with _listening(app) as listener:
        answer = await _all(listener.port, GET)
        assert answer.count(b"x") == 3_000_000
        assert answer.endswith(b"y\r\n0\r\n\r\n")
    echo = Echo()
    async with _listening(echo) as listener:
        await _one(listener.port)
        assert echo.scopes[0]["client"][0] == "127.0.0.1"
        assert echo.scopes[0]["server"] == ("127.0.0.1", listener.port)


async def test_slow_clients_of_every_kind_are_dropped_and_others_served() -> None:
    async with _listening(Echo(), QUICK) as listener:
        slow = [b"", b"GET / HT", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na", GET] * 50
        clients = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in slow]
        for (_, writer), content in zip(clients, slow, strict=True):
            writer.write(content)
        await until(lambda: listener.connections == 200)
        assert b" 200 OK" in await _one(listener.port)
        answers = await asyncio.gather(*(asyncio.wait_for(reader.read(), 5) for reader, _ in clients))
        assert [answer[9:12] for answer in answers[:4]] == [b"", b"408", b"408", b"200"]
        for _, writer in clients:
            writer.close()
        await until(lambda: listener.connections == 0)


async def test_a_client_that_does_not_read_is_dropped() -> None:
    app = answering(*[b"x" * 1_000_000] * 30)
    async with _listening(app, QUICK) as listener:
        with socket.create_connection(("127.0.0.1", listener.port)) as client:
            client.sendall(GET)
            await until(lambda: listener.connections == 1)
            await until(lambda: listener.connections == 0)


async def test_a_reset_in_mid_body_leaves_nothing_behind() -> None:
    app = Echo()
    async with _listening(app) as listener:
        client = socket.create_connection(("127.0.0.1", listener.port))
        client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na")
        await asyncio.wait_for(app.asked.wait(), 5)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        await until(lambda: app.broken == 1)
        await until(lambda: listener.connections == 0)


async def test_a_client_that_still_sends_reads_its_refusal() -> None:
    async with _listening(answering(b"no", status=413)) as listener:
        head = b"POST / HTTP/1.1\r\nContent-Length: 900000\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(head)
        for _ in range(9):
            writer.write(b"x" * 100_000)
            await asyncio.sleep(0.002)
        answer = await asyncio.wait_for(reader.read(), 5)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert answer.endswith(b"no")
        writer.close()


async def test_a_client_that_closed_its_side_gets_its_answer() -> None:
    async with _listening(Echo()) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(GET + GET)
        writer.write_eof()
        assert (await asyncio.wait_for(reader.read(), 5)).count(b" 200 OK") == 2
        writer.close()


async def test_connections_beyond_the_most_are_told_so() -> None:
    async with _listening(Echo(), Limits(connections_max=1, linger_ms=50)) as listener:
        _, first = await asyncio.open_connection("127.0.0.1", listener.port)
        await until(lambda: listener.connections == 1)
        assert b" 503 " in await _all(listener.port, b"")
        first.close()
        await until(lambda: listener.connections == 0)
        assert b" 200 " in await _one(listener.port)


async def test_stopping_finishes_what_is_in_flight_and_ends_what_is_idle() -> None:
    app = Echo()
    app.answer_after.clear()
    async with _listening(app) as listener:
        idle, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        asking = asyncio.create_task(_all(listener.port, GET))
        await asyncio.wait_for(app.asked.wait(), 5)
        await until(lambda: listener.connections == 2)
        stopping = asyncio.create_task(listener.stop())
        assert await asyncio.wait_for(idle.read(), 5) == b""
        writer.close()
        with pytest.raises(OSError, match=r"."):
            await asyncio.open_connection("127.0.0.1", listener.port)
        app.answer_after.set()
        assert b" 200 OK" in await asking
        await asyncio.wait_for(stopping, 5)


async def test_what_is_not_finished_within_the_grace_is_broken_off() -> None:
    app = Echo()
    app.answer_after.clear()
    async with _listening(app, grace_s=0) as listener:
        asking = asyncio.create_task(_all(listener.port, GET))
        await asyncio.wait_for(app.asked.wait(), 5)
        await asyncio.wait_for(listener.stop(), 5)
        assert await asking == b""


async def test_all_can_be_aborted_at_once() -> None:
    app = Echo()
    app.answer_after.clear()
    async with _listening(app) as listener:
        asking = [asyncio.create_task(_all(listener.port, GET)) for _ in range(3)]
        await until(lambda: len(app.scopes) == 3)
        listener.abort_all()
        assert await asyncio.gather(*asking) == [b""] * 3
        app.answer_after.set()
