import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.upstream.health import ASIDE_MS_MAX, FAILURES_MAX, Health


def health(chance: float = 0.5) -> Health:
    return Health(lambda: chance)


def test_single_failures_between_answers_set_nothing_aside() -> None:
    one = health()
    for at_ms in range(100):
        assert not one.failed(at_ms)
        assert not one.failed(at_ms)
        one.answered()
        assert one.fit(at_ms)


def test_third_failure_in_a_row_sets_it_aside_for_about_a_second() -> None:
    one = health()
    assert [one.failed(10) for _ in range(FAILURES_MAX)] == [False, False, True]
    assert [one.fit(at_ms) for at_ms in (10, 1009, 1010)] == [False, False, True]


def test_connection_that_is_not_taken_needs_no_second_proof() -> None:
    one = health()
    assert one.unreachable(0)
    assert not one.fit(999)


def test_failures_while_it_is_aside_add_nothing() -> None:
    one = health()
    one.unreachable(0)
    assert not any(one.failed(500) for _ in range(10))
    assert one.fit(1000)


def test_each_relapse_doubles_the_time_up_to_a_bound() -> None:
    one, at_ms, spells = health(), 0, []
    for _ in range(8):
        assert one.failed(at_ms) or one.unreachable(at_ms)
        spells.append(one.aside_until_ms - at_ms)
        at_ms = one.aside_until_ms
    assert spells == [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]


def test_after_a_time_aside_one_is_asked_before_others_follow() -> None:
    one = health()
    one.unreachable(0)
    one.begin(1000)
    assert [one.fit(1000), one.fit(1999)] == [False, False]
    one.answered()
    assert one.fit(1001)


def test_trial_that_fails_is_a_relapse_and_one_that_says_nothing_is_followed_by_another() -> None:
    one = health()
    one.unreachable(0)
    one.begin(1000)
    assert one.fit(2000)
    one.begin(2000)
    assert one.failed(2100)
    assert one.aside_until_ms == 4100


def test_being_asked_is_no_trial_for_an_endpoint_in_good_standing_or_still_aside() -> None:
    one = health()
    one.begin(0)
    assert one.fit(0)
    one.unreachable(0)
    one.begin(500)
    assert not one.failed(600)
    assert one.aside_until_ms == 1000


def test_an_answer_forgives_all() -> None:
    one = health()
    one.unreachable(0)
    one.unreachable(1000)
    one.answered()
    assert one.fit(1000)
    one.unreachable(2000)
    assert one.aside_until_ms == 3000


@given(chance=st.floats(0, 1), relapses=st.integers(1, 40))
def test_no_spell_is_shorter_or_longer_than_its_bounds(chance: float, relapses: int) -> None:
    one, at_ms = health(chance), 0
    for _ in range(relapses):
        one.unreachable(at_ms)
        assert 750 <= one.aside_until_ms - at_ms <= ASIDE_MS_MAX * 1.25
        at_ms = one.aside_until_ms


@pytest.mark.parametrize(
    ("verdicts", "changes", "fit"),
    [
        ([False, False], [], True),
        ([False, False, False], [2], False),
        ([False, False, True, False, False], [], True),
        ([False] * 9, [2], False),
        ([False, False, False, True], [2], False),
        ([False, False, False, True, True], [2, 4], True),
        ([False, False, False, True, False, True, True], [2, 6], True),
    ],
)
def test_so_many_equal_checks_in_a_row_are_believed(verdicts: list[bool], changes: list[int], fit: bool) -> None:  # noqa: FBT001
    one = health()
    changed = [turn for turn, passed in enumerate(verdicts) if one.check(passed=passed, needed=2 if passed else 3)]
    assert (changed, one.fit(0), one.checked) == (changes, fit, fit)


def test_answers_do_not_overrule_checks() -> None:
    one = health()
    one.check(passed=False, needed=1)
    one.answered()
    assert not one.fit(10**9)
