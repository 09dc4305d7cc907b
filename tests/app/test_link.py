"""What is said at one end of the link is heard at the other, whole, in order, or not at all."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import guard.app.link
from guard.app.link import DOWN, UP, Down, Drain, KeysChanged, Link, Refusal, Report, Task, Up
from guard.telemetry.tally import Tally

_TALLY = Tally(counts={("a", "b"): 1}, timings={("c",): (1, 2, 3)}, gauges={("d",): -4})


@asynccontextmanager
async def _linked() -> AsyncIterator[tuple[Link[Up], Link[Down]]]:
    """The supervisor's end and the worker's."""
    above, below = socket.socketpair()
    supervisor, worker = await Link.of(above, UP), await Link.of(below, DOWN)
    try:
        yield supervisor, worker
    finally:
        await supervisor.close()
        await worker.close()


async def test_every_message_arrives_as_it_was_said_and_in_order() -> None:
    down = (Task(b"orders", 3, 4, 5), KeysChanged(7), Drain())
    up = (Report(("keys",), _TALLY), Report((), Tally(), ("keys: old",)), Refusal("no"))
    async with _linked() as (supervisor, worker):
        for news in down:
            supervisor.say(news)
        for told in up:
            worker.say(told)
        assert tuple([await worker.hear() for _ in down]) == down
        assert tuple([await supervisor.hear() for _ in up]) == up


async def test_the_end_of_the_other_side_is_heard_also_in_the_middle_of_a_message() -> None:
    above, below = socket.socketpair()
    supervisor = await Link.of(above, UP)
    below.sendall(b"\0\0\0\x09half")
    below.close()
    assert await supervisor.hear() is None
    supervisor.say(Drain())
    await supervisor.close()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\0\0\0\x01\xc1",
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
        b"\0\0\0\x06\x91\xa4Task",
    ],
    ids=["no MessagePack", "far too long", "empty", "not for this end"],
)
async def test_what_cannot_be_read_is_a_broken_link(nonsense: bytes) -> None:
    above, below = socket.socketpair()
    supervisor = await Link.of(above, UP)
    below.sendall(nonsense)
    async with asyncio.timeout(5):
        assert await supervisor.hear() is None
    await supervisor.close()
    below.close()


async def test_it_is_clear_until_the_other_end_does_not_read() -> None:
    async with _linked() as (supervisor, worker):
        clear = [worker.clear]
        worker.say(Refusal("x" * 4_000_000))
        clear.append(worker.clear)
        await supervisor.hear()
        await asyncio.sleep(0)
        clear.append(worker.clear)
        assert clear == [True, False, True]


async def test_closing_does_not_wait_for_an_end_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard.app.link, "_CLOSE_S", 0.05)
    above, below = socket.socketpair()
    worker = await Link.of(below, DOWN)
    worker.say(Refusal("x" * 4_000_000))
    await asyncio.wait_for(worker.close(), 5)
    above.close()
