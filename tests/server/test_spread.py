"""Who is next, when several processes accept from one socket."""

import mmap

from guard.server.spread import ABSENT, SLOT_BYTES, Spread, nobody


def _crew(processes: int) -> list[Spread]:
    memory = mmap.mmap(-1, processes * SLOT_BYTES)
    memory.write(nobody(processes))
    return [Spread(memoryview(memory), number) for number in range(processes)]


def test_whoever_holds_more_than_another_is_ahead_of_it() -> None:
    first, second, third = _crew(3)
    first.hold(4)
    second.hold(1)
    third.hold(1)
    assert [spread.ahead() for spread in (first, second, third)] == [3, 0, 0]
    second.hold(2)
    assert [spread.ahead() for spread in (first, second, third)] == [3, 1, 0]


def test_among_many_an_eighth_more_is_as_many() -> None:
    first, second = _crew(2)
    second.hold(80)
    first.hold(90)
    assert first.ahead() == 0
    first.hold(91)
    assert first.ahead() == 11


def test_nobody_waits_for_a_process_that_is_not_there() -> None:
    first, second = _crew(2)
    first.hold(1000)
    assert first.ahead() == 0
    second.hold(0)
    assert first.ahead() == 1000
    second.hold(ABSENT)
    assert first.ahead() == 0
