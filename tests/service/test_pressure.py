import asyncio

import pytest

from guard.service.pressure import Pressure


def late(pressure: Pressure, *late_ms: int) -> int:
    for each in late_ms:
        pressure.beat(each)
    return pressure.strain()


def test_a_gateway_at_rest_is_not_strained() -> None:
    assert Pressure(100).strain() == 0


@pytest.mark.parametrize(
    ("in_flight", "strain"), [(49, 0), (50, 1), (74, 1), (75, 2), (89, 2), (90, 3), (99, 3), (100, 4)]
)
def test_the_fuller_the_gateway_the_more_must_wait_and_beyond_its_most_all(in_flight: int, strain: int) -> None:
    pressure = Pressure(100)
    pressure.in_flight = in_flight
    assert pressure.strain() == strain


@pytest.mark.parametrize(("late_ms", "strain"), [(49, 0), (50, 1), (99, 1), (100, 2), (199, 2), (200, 3), (5000, 3)])
def test_the_later_the_loop_the_more_must_wait_but_never_what_is_critical(late_ms: int, strain: int) -> None:
    assert late(Pressure(100), *[late_ms] * 4) == strain


def test_a_loop_that_was_late_once_is_not_strained() -> None:
    pressure = Pressure(100)
    assert late(pressure, 3000, 0, 0, 0) == 0
    assert late(pressure, 3000, 3000, 3000, 0) == 0


def test_the_strain_ends_with_the_first_beat_in_time() -> None:
    pressure = Pressure(100)
    assert late(pressure, *[300] * 4) == 3
    assert late(pressure, 0) == 0


async def test_a_loop_that_does_too_much_at_a_time_is_seen() -> None:
    pressure = Pressure(100)
    beating = asyncio.create_task(pressure.beating())
    loop = asyncio.get_running_loop()
    until = loop.time() + 5
    while not pressure.strain() and loop.time() < until:
        end = loop.time() + 0.12
        while loop.time() < end:
            pass
        await asyncio.sleep(0)
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    assert pressure.strain() >= 1
