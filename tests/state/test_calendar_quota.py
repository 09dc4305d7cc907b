from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from guard.model.names import UnixMs
from guard.model.policy import Calendar
from guard.state.calendar_quota import begin, left, next_ms, wait_ms

QUOTA = Calendar(10, 1_000)
LONG_AGO = UnixMs(0)
NOW = UnixMs(7_250)


def test_boundary_belongs_to_the_period_that_it_begins() -> None:
    assert [begin(UnixMs(at), QUOTA) for at in (6_999, 7_000, 7_999, 8_000)] == [6_000, 7_000, 7_000, 8_000]


def test_period_known_from_its_beginning_has_all_tokens_less_those_that_are_spent() -> None:
    assert left(3, LONG_AGO, NOW, QUOTA) == 7
    assert left(3, UnixMs(7_000), NOW, QUOTA) == 7
    assert left(12, LONG_AGO, NOW, QUOTA) == 0


def test_period_known_since_later_has_what_would_have_come_back_evenly() -> None:
    assert [left(0, UnixMs(7_001), UnixMs(at), QUOTA) for at in (7_001, 7_100, 7_101, 7_999)] == [0, 0, 1, 9]
    assert left(1, UnixMs(7_001), UnixMs(7_201), QUOTA) == 1


def test_wait_is_to_the_next_period_and_never_for_more_than_all_tokens() -> None:
    assert wait_ms(0, 10, LONG_AGO, NOW, QUOTA) == 0
    assert wait_ms(1, 10, LONG_AGO, NOW, QUOTA) == 750
    assert wait_ms(0, 11, LONG_AGO, NOW, QUOTA) is None


def test_wait_in_a_half_known_period_is_for_what_comes_back_first() -> None:
    assert wait_ms(0, 2, UnixMs(7_200), NOW, QUOTA) == 150
    assert wait_ms(0, 10, UnixMs(7_200), NOW, QUOTA) == 750


def test_next_token_is_told_unless_all_are_there() -> None:
    assert next_ms(0, LONG_AGO, NOW, QUOTA) == 0
    assert next_ms(1, LONG_AGO, NOW, QUOTA) == 750
    assert next_ms(0, UnixMs(7_200), NOW, QUOTA) == 50


@given(
    tokens=st.integers(1, 50),
    spent=st.integers(0, 60),
    cost=st.integers(1, 60),
    since=st.integers(0, 3_000),
    later=st.integers(0, 3_000),
)
def test_waiting_is_enough_and_one_millisecond_less_is_not(
    tokens: int, spent: int, cost: int, since: int, later: int
) -> None:
    quota, now = Calendar(tokens, 1_000), UnixMs(since + later)
    wait = wait_ms(spent, cost, UnixMs(since), now, quota)
    assume(wait is not None)
    assert wait is not None

    def fits(at: int) -> bool:
        """By the definition, in fractions."""
        start = at // 1_000 * 1_000
        gone = spent if now >= start else 0
        there = Fraction(tokens * (at - since), 1_000) if since > start else Fraction(tokens)
        return cost <= int(there) - gone

    assert fits(now + wait)
    assert wait == 0 or not fits(now + wait - 1)
