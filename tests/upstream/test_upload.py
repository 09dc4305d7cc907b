import asyncio
from collections.abc import AsyncIterator

import pytest

from guard.model.exchange import Sent
from guard.upstream.answer import UpstreamFailure
from tests.upstream.asking import asking
from tests.upstream.scripted_backend import OK, Peer, answering

ORDER = b"/v1/orders"


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


async def test_body_of_unknown_length_goes_in_chunks_and_leaves_the_connection_fit() -> None:
    async with asking(answering(OK)) as it:
        for _ in range(2):
            assert (await it.ask("POST", ORDER, _pieces(b"ab", b"", b"c" * 20))).body == b"hi"
        first = it.backend.received[0]
        assert first.value(b"transfer-encoding") == b"chunked"
        assert first.value(b"content-length") is None
        assert first.body == b"ab" + b"c" * 20
        assert it.backend.connections == 1


async def test_body_of_announced_length_goes_as_it_is() -> None:
    async with asking(answering(OK)) as it:
        for _ in range(2):
            await it.ask("POST", ORDER, _pieces(b"ab", b"", b"c"), body_bytes_announced=3)
        first = it.backend.received[0]
        assert (first.value(b"content-length"), first.value(b"transfer-encoding")) == (b"3", None)
        assert first.body == b"abc"
        assert it.backend.connections == 1


async def test_announced_body_is_whole_with_its_last_byte_not_with_the_iterator() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"abc"
        await asyncio.sleep(60)

    async with asking(answering(OK)) as it:
        for _ in range(2):
            assert (await it.ask("POST", ORDER, body(), body_bytes_announced=3)).status == 200
        assert it.backend.connections == 1


@pytest.mark.parametrize("pieces", [(b"ab",), (b"ab", b"cd"), ()])
async def test_body_of_another_length_than_announced_never_reaches_the_backend_whole(pieces: tuple[bytes, ...]) -> None:
    received = b""
    done = asyncio.Event()

    async def script(peer: Peer) -> None:
        nonlocal received
        await peer.head()
        received = await peer.reader.read()
        done.set()

    async with asking(script) as it:
        with pytest.raises(UpstreamFailure) as failure:
            await it.ask("POST", ORDER, _pieces(*pieces), body_bytes_announced=3)
        assert (failure.value.code, failure.value.sent) == ("request.incomplete", Sent.UNKNOWN)
        async with asyncio.timeout(2):
            await done.wait()
        assert len(received) < 3


async def test_time_for_the_answer_begins_when_the_body_is_whole() -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(4):
            await asyncio.sleep(0.04)
            yield b"x"

    async def mute(peer: Peer) -> None:
        await peer.request()
        await peer.ended()

    async with asking(answering(OK), response_ms=80) as it:
        assert (await it.ask("POST", ORDER, slow())).status == 200
    async with asking(mute, response_ms=80) as it, asyncio.timeout(2):
        with pytest.raises(UpstreamFailure) as failure:
            await it.ask("POST", ORDER, slow())
        assert (failure.value.code, failure.value.sent) == ("upstream.timeout", Sent.UNKNOWN)


async def test_upload_whose_backend_goes_away_fails_at_once() -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(60)

    async def script(peer: Peer) -> None:
        await peer.head()
        peer.reset()

    async with asking(script) as it, asyncio.timeout(2):
        with pytest.raises(UpstreamFailure) as failure:
            await it.ask("POST", ORDER, stalled())
        assert (failure.value.code, failure.value.sent) == ("upstream.broken", Sent.UNKNOWN)


async def test_cancelled_upload_takes_no_more_of_the_body() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x"
            await asyncio.sleep(0.001)

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.ended()

    async with asking(script) as it:
        asked = asyncio.create_task(it.ask("POST", ORDER, endless()))
        await asyncio.sleep(0.03)
        asked.cancel()
        await asyncio.wait((asked,))
        stopped_at = taken
        await asyncio.sleep(0.02)
        assert (taken, asked.cancelled(), it.pool._slots) == (stopped_at, True, 0)


async def test_answer_counts_for_more_than_a_body_that_broke_off_beside_it() -> None:
    answered = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        await answered.wait()
        await asyncio.sleep(0.02)
        raise ConnectionError("the client left")

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n")
        answered.set()
        await peer.ended()

    async with asking(script) as it:
        assert (await it.ask("POST", ORDER, body())).status == 403
