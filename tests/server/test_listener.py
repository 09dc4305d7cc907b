"""The listener over real sockets."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from guard.server.exchange import Exchange
from guard.server.limits import Limits
from guard.server.listener import Listener
from guard.server.refusal import Refused
from tests.server import clients
from tests.server.apps import Echo, answering
from tests.server.in_memory import until

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
LOCAL = bytes.fromhex("0d0a0d0a000d0a515549540a20000000")
QUICK = Limits(head_ms=150, body_progress_ms=150, idle_ms=150, write_stall_ms=150, linger_ms=100)


@asynccontextmanager
async def _listening(app: Any, limits: Limits | None = None, grace_s: int = 5) -> AsyncIterator[Listener]:
    listener = Listener(app, "127.0.0.1:0", grace_s=grace_s, limits=limits or Limits())
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


async def test_all_who_wait_are_let_in_at_once_however_long_a_turn_of_the_loop_takes() -> None:
    async with _listening(Echo()) as listener:
        clients = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(50)]
        for _ in range(5):  # turns of the loop
            await asyncio.sleep(0)
        inside = listener.connections
        for client in clients:
            client.close()
        assert inside == 50


async def test_whoever_has_connected_before_the_end_is_served() -> None:
    async with _listening(Echo()) as listener:
        clients = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(50)]
        for client in clients:
            client.sendall(GET)
        await listener.stop()
        for client in clients:
            client.setblocking(True)  # noqa: FBT003  # the socket module's own signature
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
            client.close()


async def test_a_port_that_is_taken_is_refused_at_once() -> None:
    async with _listening(Echo()) as listener:
        with pytest.raises(OSError, match="in use"):
            Listener(Echo(), f"127.0.0.1:{listener.port}")


async def test_one_that_never_started_can_be_stopped() -> None:
    listener = Listener(Echo(), "[::1]:0")
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
    limits = Limits(head_ms=2000, body_progress_ms=2000, idle_ms=2000, linger_ms=100)
    async with _listening(Echo(), limits) as listener:
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


@pytest.mark.parametrize("proxy_from", [(), ("127.0.0.1",)])
async def test_stopping_serves_whoever_was_connected_and_not_yet_accepted(proxy_from: tuple[str, ...]) -> None:
    app = Echo()
    listener = Listener(app, "127.0.0.1:0", proxy_from=proxy_from, limits=QUICK)
    await listener.start()
    clients = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(5)]
    for client in clients:
        client.sendall((LOCAL if proxy_from else b"") + GET)
    await listener.stop()
    answers = [client.recv(65536) for client in clients]
    assert all(answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"connection: close" in answer for answer in answers)
    for client in clients:
        client.close()


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


async def test_whoever_serves_a_subject_is_aborted_whatever_is_under_way_and_others_go_on() -> None:
    app = Echo()
    go = asyncio.Event()

    async def keyed(scope: Any, receive: Any, send: Any) -> None:
        guard = scope["extensions"]["guard"]
        guard["connection"].subject = "key-" + guard["target"].decode()[1]
        if guard["target"] == b"/2-mid-answer":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await go.wait()
        await app(scope, receive, send)

    async with _listening(keyed) as listener:
        requests = [
            b"GET /1-other HTTP/1.1\r\n\r\n",
            b"GET /2-mute HTTP/1.1\r\n\r\n",
            b"GET /2-mid-answer HTTP/1.1\r\n\r\n",
            b"POST /2-mid-body HTTP/1.1\r\nContent-Length: 9\r\n\r\na",
        ]
        clients = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in requests]
        for (_, writer), content in zip(clients, requests, strict=True):
            writer.write(content)
        await until(lambda: len(app.scopes) == 3)
        assert listener.abort(subjects={"key-2", "key-9"}) == 3
        assert listener.abort(subjects={"key-3", None}) == listener.abort() == 0
        await until(lambda: listener.connections == 1)
        for reader, writer in clients[1:]:
            with suppress(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 5)
            writer.close()
        reader, writer = clients[0]
        writer.write(GET)
        assert b"/x " in await asyncio.wait_for(reader.readuntil(b"/x "), 5)
        assert listener.abort_from("192.0.2.0/24") == listener.abort_from("127.0.0.0/8", spared={"key-x"}) == 0
        assert listener.abort_from("127.0.0.0/8", exempt=("192.0.2.0/24", "127.0.0.1")) == 0
        assert listener.abort(address="192.0.2.1") == 0
        assert listener.abort_from("127.0.0.0/8", spared={"key-2"}) == 1
        writer.close()
        go.set()


async def test_refusals_are_told_to_whoever_wants_to_hear_of_them() -> None:
    refused: list[Refused] = []
    listener = Listener(Echo(), "127.0.0.1:0", refused=refused.append)
    await listener.start()
    assert b" 400 " in await _all(listener.port, b"BROKEN\r\n\r\n")
    await listener.stop()
    (told,) = refused
    assert (told.code, told.status, told.stage.value, told.address) == ("request.malformed", 400, "head", "127.0.0.1")


async def test_one_address_holds_no_more_connections_than_it_may() -> None:
    async with _listening(Echo(), Limits(connections_per_address_max=1, linger_ms=50, drain_idle_ms=50)) as listener:
        _, first = await asyncio.open_connection("127.0.0.1", listener.port)
        await until(lambda: listener.connections == 1)
        assert b" 503 " in await _all(listener.port, b"")
        first.close()
        await until(lambda: listener.connections == 0)
        assert b" 200 " in await _one(listener.port)


@pytest.mark.parametrize("proxy_from", [(), ("unix",)])
async def test_a_unix_socket_is_served_and_its_client_is_local(tmp_path: Path, proxy_from: tuple[str, ...]) -> None:
    app, file = Echo(), tmp_path / "guard.sock"
    listener = Listener(app, f"unix:{file}", proxy_from=proxy_from)
    await listener.start()
    reader, writer = await asyncio.open_unix_connection(str(file))
    writer.write((LOCAL if proxy_from else b"") + GET.replace(b"Host", b"Connection: close\r\nHost"))
    assert b" 200 " in await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert app.scopes[0]["client"] == ("127.0.0.1", 0)
    assert app.scopes[0]["server"] == (str(file), None)
    await listener.stop()
    assert not file.exists()


async def test_a_proxy_on_a_unix_socket_says_who_its_client_is(tmp_path: Path) -> None:
    app, file = Echo(), tmp_path / "guard.sock"
    listener = Listener(app, f"unix:{file}", proxy_from=("unix",))
    await listener.start()
    reader, writer = await asyncio.open_unix_connection(str(file))
    writer.write(LOCAL.replace(b"\x20\0\0\0", bytes.fromhex("2111000cc0000201c6336402c00101bb")))
    writer.write(GET.replace(b"Host", b"Connection: close\r\nHost"))
    assert b" 200 " in await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert app.scopes[0]["client"] == ("192.0.2.1", 49153)
    await listener.stop()


async def test_the_direct_road_serves_what_is_at_hand_and_the_application_the_rest() -> None:
    def direct(exchange: Exchange) -> None:
        exchange.answer_whole(200, [b"by: the direct road"], b"")

    async with clients.listening(Echo(), direct=direct) as (listener, _):
        assert b"by: the direct road" in await _one(listener.port)
        content = b"POST /x HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        assert b"by: the direct road" not in await _all(listener.port, content)
        head = b"HEAD /x HTTP/1.1\r\nConnection: close\r\n\r\n"
        assert b"by: the direct road" not in await _all(listener.port, head)


async def test_what_the_direct_road_leaves_to_be_awaited_is_awaited_in_a_task() -> None:
    async def later(exchange: Exchange) -> None:
        await asyncio.sleep(0)
        exchange.answer_whole(200, [b"by: a task"], b"")

    async with clients.listening(Echo(), direct=later) as (listener, _):
        assert b"by: a task" in await _one(listener.port)


async def test_stopping_waits_for_what_goes_on_without_its_client() -> None:
    kept: list[Exchange] = []
    async with clients.listening(Echo(), direct=kept.append) as (listener, _):
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(GET)
        await until(lambda: bool(kept))
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        await until(lambda: not listener.connections)
        stopping = asyncio.create_task(listener.stop())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        kept[0].concluded()
        await stopping
