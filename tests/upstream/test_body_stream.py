import asyncio

import pytest

from guard.upstream.body_stream import HELD_BYTES_MAX, BodyStream


class Source:
    """Stands for the connection: counts what the stream asked of it."""

    def __init__(self) -> None:
        self.resumed = 0
        self.abandoned = 0
        self.stream = BodyStream(resume=self._resume, abandon=self._abandon)

    def _resume(self) -> None:
        self.resumed += 1

    def _abandon(self) -> None:
        self.abandoned += 1


async def test_what_is_held_comes_in_one_piece_and_in_order() -> None:
    stream = Source().stream
    for content in (b"a", b"", b"b", b"c"):
        assert stream.push(content)
    stream.end()
    assert [chunk async for chunk in stream] == [b"abc"]


async def test_reader_is_woken_by_content_end_and_failure() -> None:
    source = Source()
    loop = asyncio.get_running_loop()
    loop.call_soon(source.stream.push, b"a")
    assert await anext(source.stream) == b"a"
    loop.call_soon(source.stream.end)
    with pytest.raises(StopAsyncIteration):
        await anext(source.stream)
    failing = Source().stream
    loop.call_soon(failing.fail, ConnectionError("broke off"))
    with pytest.raises(ConnectionError):
        await anext(failing)


async def test_empty_content_wakes_nobody() -> None:
    stream = Source().stream
    loop = asyncio.get_running_loop()
    loop.call_soon(stream.push, b"")
    loop.call_later(0.01, stream.push, b"a")
    assert await anext(stream) == b"a"


async def test_failure_is_told_before_what_was_held_and_again_and_again() -> None:
    stream = Source().stream
    stream.push(b"a part")
    stream.fail(ConnectionError("broke off"))
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await anext(stream)


async def test_source_pauses_above_the_mark_and_goes_on_when_it_is_read() -> None:
    source = Source()
    assert source.stream.push(b"x" * HELD_BYTES_MAX)
    assert not source.stream.push(b"x")
    assert source.resumed == 0
    assert len(await anext(source.stream)) == HELD_BYTES_MAX + 1
    assert source.resumed == 1
    assert source.stream.push(b"y")
    assert await anext(source.stream) == b"y"
    assert source.resumed == 1


async def test_source_of_an_ended_body_is_left_alone() -> None:
    source = Source()
    source.stream.push(b"x" * HELD_BYTES_MAX)
    source.stream.push(b"x")
    source.stream.end()
    await anext(source.stream)
    source.stream.abandon()
    assert (source.resumed, source.abandoned) == (0, 0)


async def test_reader_that_was_cancelled_harms_nobody() -> None:
    stream = Source().stream
    reading = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait((reading,))
    stream.push(b"a")
    assert await anext(stream) == b"a"


async def test_abandoned_body_that_has_not_ended_closes_its_source() -> None:
    source = Source()
    source.stream.push(b"a part")
    source.stream.abandon()
    assert source.abandoned == 1
