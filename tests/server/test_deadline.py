"""The one deadline of a connection."""

import asyncio

from guard.server.deadline import Deadline


async def _missed(*steps: int | None, wait_ms: int = 60) -> int:
    missed: list[int] = []
    deadline = Deadline(asyncio.get_running_loop(), lambda: missed.append(1))
    for in_ms in steps:
        if in_ms is None:
            deadline.clear()
        else:
            deadline.set(in_ms)
    await asyncio.sleep(wait_ms / 1000)
    deadline.cancel()
    deadline.cancel()
    return len(missed)


async def test_a_deadline_is_missed_once() -> None:
    assert await _missed(5) == 1


async def test_the_last_one_set_counts() -> None:
    assert await _missed(5, 500) == 0
    assert await _missed(500, 5) == 1
    assert await _missed(5, 20) == 1


async def test_what_was_cleared_is_not_missed() -> None:
    assert await _missed(5, None) == 0
    assert await _missed(5, None, 10) == 1
