"""Where an answer ends, and what is no answer: the conformance of the room as a whole, over real sockets."""

import asyncio

import pytest

from guard.model.exchange import Sent
from guard.upstream.body_stream import BodyStream
from tests.upstream.asking import asking, whole
from tests.upstream.scripted_backend import OK, Peer, answering, closing_after

ORDER = b"/v1/orders"


@pytest.mark.parametrize(
    ("verb", "wire", "status"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n", 200),
        ("GET", b"HTTP/1.1 204 None\r\n\r\n", 204),
        ("GET", b"HTTP/1.1 304 Same\r\ncontent-length: 2000\r\n\r\n", 304),
    ],
)
async def test_answers_without_body_end_at_their_head_and_leave_the_connection_fit(
    verb: str, wire: bytes, status: int
) -> None:
    async with asking(answering(wire, OK)) as it:
        answer = await it.ask(verb)
        assert (answer.status, answer.body) == (status, b"")
        assert (await it.ask()).body == b"hi"
        assert it.backend.connections == 1


async def test_chunks_and_trailers_in_one_segment_come_whole() -> None:
    wire = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n"
    async with asking(answering(wire)) as it:
        answer = await it.ask()
        assert (answer.body, answer.trailers) == (b"hi", [(b"x-sum", b"7")])
        assert answer.fields == ((b"transfer-encoding", b"chunked"),)
        await it.ask()
        assert it.backend.connections == 1


async def test_chunks_that_come_one_by_one_are_passed_on_one_by_one_and_trailers_kept_apart() -> None:
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await go_on.wait()
        await peer.send(b"1\r\n!\r\n0\r\nx-sum: 7\r\n\r\n")
        await peer.request()
        await peer.send(OK)

    async with asking(script) as it:
        answer = await it.ask()
        assert isinstance(answer.body, BodyStream)
        assert await anext(answer.body) == b"hi"
        go_on.set()
        assert [chunk async for chunk in answer.body] == [b"!"]
        assert answer.trailers == [(b"x-sum", b"7")]
        await it.ask()
        assert it.backend.connections == 1


async def test_small_body_in_a_later_segment_still_comes_in_one_piece() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n")
        await asyncio.sleep(0.02)
        await peer.send(b"late")
        await peer.ended()

    async with asking(script) as it:
        assert (await it.ask()).body == b"late"


async def test_body_without_length_ends_with_the_connection() -> None:
    async with asking(closing_after(b"HTTP/1.1 200 OK\r\n\r\nall of it")) as it:
        assert await whole(await it.ask()) == b"all of it"
        assert await whole(await it.ask()) == b"all of it"
        assert it.backend.connections == 2


async def test_body_without_length_that_ends_in_a_reset_is_not_whole() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\na part")
        await asyncio.sleep(0.02)
        peer.reset()

    async with asking(script) as it:
        failure = await it.failure()
        assert (failure.code, failure.sent) == ("upstream.broken", Sent.YES)


@pytest.mark.parametrize("wire", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"])
async def test_informational_answers_are_swallowed(wire: bytes) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(wire)
            await asyncio.sleep(0.01)
            await peer.send(wire + OK)

    async with asking(script) as it:
        for _ in range(2):
            answer = await it.ask()
            assert (answer.status, answer.fields, answer.body) == (200, ((b"content-length", b"2"),), b"hi")
        assert it.backend.connections == 1


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 2OO OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi",
        b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 201 + b"\r\n",
        b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3000,
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n",
    ],
)
async def test_order_answered_with_nonsense_is_unknown_and_its_connection_closed(wire: bytes) -> None:
    async with asking(closing_after(wire), connections_max=1) as it:
        failure = await it.failure("POST")
        assert (failure.code, failure.sent) == ("upstream.broken", Sent.UNKNOWN)
        assert len(it.backend.received) == 1
        await it.failure("POST")
        assert it.backend.connections == 2


@pytest.mark.parametrize(
    "step", ["accepted", "head", "part of an answer's head", "head of an answer", "part of a body"]
)
async def test_reset_at_every_step_fails_with_what_is_known(step: str) -> None:
    async def script(peer: Peer) -> None:
        if step != "accepted":
            await peer.request()
        if step == "part of an answer's head":
            await peer.send(b"HTTP/1.1 200")
        if step in ("head of an answer", "part of a body"):
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n")
        if step == "part of a body":
            await peer.send(b"x" * 1000)
        await asyncio.sleep(0.02)
        peer.reset()

    async with asking(script) as it:
        failure = await it.failure("POST")
        answered = step in ("head of an answer", "part of a body")
        assert (failure.code, failure.sent) == ("upstream.broken", Sent.YES if answered else Sent.UNKNOWN)
        assert it.backend.connections == 1


@pytest.mark.parametrize("junk", [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", b"x", b"\r\n\r\nx"])
@pytest.mark.parametrize("delay_s", [0, 0.02])
async def test_bytes_after_the_end_reach_nobody(junk: bytes, delay_s: float) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if delay_s:
            await peer.send(OK)
            await asyncio.sleep(delay_s)
            await peer.send(junk)
        else:
            await peer.send(OK + junk)
        await peer.ended()

    async with asking(script) as it:
        for _ in range(3):
            assert (await it.ask("POST", ORDER, b"{}")).body == b"hi"
            await asyncio.sleep(2 * delay_s)
        assert it.backend.connections == 3


async def test_body_that_a_backend_sends_to_head_reaches_nobody() -> None:
    async with asking(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", OK)) as it:
        assert (await it.ask("HEAD")).body == b""
        assert (await it.ask()).body == b"hi"
        assert it.backend.connections == 2
