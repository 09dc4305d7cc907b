"""The event loop, and the threads beside it."""

import asyncio
import sys
from collections.abc import Iterator

import pytest

from guard.app.loop import TURN_S, run_loop


@pytest.fixture(autouse=True)
def _interval_restored() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def test_a_thread_asks_for_its_turn_sooner_than_a_busy_loop_refuses_a_request() -> None:
    asked_after_s = []

    async def main() -> None:
        asked_after_s.append(sys.getswitchinterval())

    run_loop(main())
    assert asked_after_s == [pytest.approx(TURN_S)]
    assert TURN_S < 50e-6, "which is what a refusal takes"


def test_what_ends_the_work_is_raised() -> None:
    async def main() -> None:
        await asyncio.sleep(0)
        raise OSError(98, "in use")

    with pytest.raises(OSError, match="in use"):
        run_loop(main())
