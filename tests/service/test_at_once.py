"""A coroutine without a wait is run to its end at once; one that waits is refused, not left hanging."""

import asyncio

import pytest

from guard.service.at_once import at_once


async def test_what_waits_for_nothing_gives_its_result_at_once() -> None:
    async def inner() -> int:
        return 41

    async def outer() -> int:
        return await inner() + 1

    assert at_once(outer()) == 42


async def test_what_it_raises_is_raised() -> None:
    async def raises() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        at_once(raises())


async def test_what_waits_is_refused_and_ended() -> None:
    ended: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("ended")

    with pytest.raises(RuntimeError, match="to wait for"):
        at_once(waits())
    assert ended == ["ended"]
