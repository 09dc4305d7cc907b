import asyncio

import pytest

from guard.service.patience import Patience


async def test_only_so_many_wait_at_once_and_the_next_goes_on() -> None:
    patience = Patience(sleepers_max=1)
    waiting = asyncio.create_task(patience.wait(2_000))
    await asyncio.sleep(0)
    assert patience.is_full
    await patience.wait(2_000)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not patience.is_full


async def test_nobody_waits_longer_than_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await Patience().wait(99_000)
    assert slept == [2.0]
