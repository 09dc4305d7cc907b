"""Decay and counting, in numbers worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model.abuse import Ratio
from guard.state.scoring import FRACTIONS, Count, Proportion, Values, decayed

_HALF_LIFE_MS = 64_000  # a tick is a second


@pytest.mark.parametrize(
    ("elapsed_ms", "level", "at"),
    [
        (0, 80_000, 0),
        (999, 80_000, 0),
        (64_000, 40_000, 64_000),
        (128_999, 20_000, 128_000),
        (32_000, 56_568, 32_000),
        (64_000 * 40, 0, 64_000 * 40),
    ],
)
def test_half_is_left_after_a_half_life_and_time_moves_by_whole_ticks(elapsed_ms: int, level: int, at: int) -> None:
    assert decayed(80_000, 0, elapsed_ms, _HALF_LIFE_MS) == (level, at)


def test_a_clock_that_goes_backwards_gives_nothing_back() -> None:
    assert decayed(80_000, 5_000, 1_000, _HALF_LIFE_MS) == (80_000, 5_000)


def test_events_that_follow_closely_do_not_keep_a_score_from_decaying() -> None:
    level, at = 1_000_000, 0
    for now in range(0, 64_001, 400):
        level, at = decayed(level, at, now, _HALF_LIFE_MS)
    assert 490_000 < level <= 500_000


@given(st.integers(0, 10_000_000), st.lists(st.integers(0, 100_000), max_size=20))
def test_a_score_only_falls_by_itself(level: int, waits: list[int]) -> None:
    at = now = 0
    for wait in waits:
        now += wait
        later, at = decayed(level, at, now, _HALF_LIFE_MS)
        assert 0 <= later <= level
        assert at <= now
        level = later


def test_the_fractions_go_from_whole_towards_half() -> None:
    assert (FRACTIONS[0], FRACTIONS[32], FRACTIONS[63]) == (65_536, 46_341, 33_125)


def test_it_takes_as_many_events_as_asked_for_and_then_as_many_again() -> None:
    count = Count()
    assert [count.add(1_000_000, 10_000, 3) for _ in range(7)] == [False, False, True, False, False, True, False]


def test_events_of_the_window_before_count_by_how_much_of_it_is_still_near() -> None:
    count = Count()
    for _ in range(4):
        count.add(9_999, 10_000, 100)
    assert not count.add(15_000, 10_000, 4)  # 2 of the 4, and this one
    assert count.add(15_000, 10_000, 4)


def test_what_is_two_windows_old_does_not_count() -> None:
    count = Count()
    for _ in range(3):
        count.add(5_000, 10_000, 100)
    assert not count.add(25_000, 10_000, 2)


_RATIO = Ratio(3, 2)


def test_events_are_too_many_above_the_ratio_and_not_at_it() -> None:
    beside = Proportion()
    beside.counter(2, 1_000, 10_000)
    assert [beside.add(1_000, 10_000, 2, _RATIO) for _ in range(4)] == [False, False, False, True]  # 4:2 is above 3:2


def test_few_events_are_never_too_many() -> None:
    beside = Proportion()
    assert [beside.add(1_000, 10_000, 3, _RATIO) for _ in range(3)] == [False, False, True]


def test_what_has_fired_begins_anew_on_both_sides() -> None:
    beside = Proportion()
    beside.counter(1, 1_000, 10_000)
    assert [beside.add(1_000, 10_000, 2, _RATIO) for _ in range(4)] == [False, True, False, True]


def test_counterparts_fade_with_their_window_as_events_do() -> None:
    beside = Proportion()
    beside.counter(10, 5_000, 10_000)
    assert not beside.add(15_000, 10_000, 1, Ratio(1, 5))  # half of the 10 is near: 1:5 is not above
    assert beside.add(25_000, 10_000, 1, Ratio(1, 5))


def test_no_count_grows_without_end() -> None:
    count = Count()
    assert [count.more(6_000_000, 1_000, 10_000) for _ in range(3)] == [6_000_000, 10_000_000, 10_000_000]


def test_different_values_count_and_the_same_again_does_not() -> None:
    values = Values()
    told = [values.add(value, 1_000, 10_000, 3) for value in ("a", "b", "a", "b", "c", "a")]
    assert told == [False, False, False, False, True, False]


def test_a_value_that_did_not_come_again_is_forgotten() -> None:
    values = Values()
    assert not values.add("a", 0, 10_000, 2)
    assert not values.add("b", 10_000, 10_000, 2)
    assert values.add("a", 19_999, 10_000, 2)
