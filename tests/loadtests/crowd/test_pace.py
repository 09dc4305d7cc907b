"""When the next request is due, in units of time that mean nothing."""

from loadtests.crowd.pace import Pace


def test_a_punctual_user_waits_for_the_next_moment() -> None:
    pace = Pace(100, now_ns=1_000)
    assert pace.wait_ns(1_030) == 70
    assert pace.wait_ns(1_100) == 100
    assert pace.begun == 2


def test_a_late_user_catches_up_without_waiting() -> None:
    pace = Pace(100, now_ns=1_000)
    assert [pace.wait_ns(1_250), pace.wait_ns(1_250), pace.wait_ns(1_250)] == [0, 0, 50]


def test_what_was_not_caught_up_with_is_offered_and_not_begun() -> None:
    pace = Pace(100, now_ns=1_000)
    pace.wait_ns(1_900)  # one was begun, and took eight turns longer than its own
    assert (pace.begun, pace.offered(1_900)) == (1, 9)


def test_a_user_at_rest_owes_nothing_for_the_time() -> None:
    pace = Pace(100, now_ns=1_000)
    pace.wait_ns(1_000)
    assert pace.rest(1_100) == 100
    assert pace.rest(1_200) == 100
    assert pace.rest(5_300) == 100  # looked late
    assert (pace.begun, pace.offered(9_900)) == (1, 1)


def test_a_user_who_has_rested_is_due_with_the_next_look() -> None:
    pace = Pace(100, now_ns=1_000)
    pace.rest(1_000)
    assert pace.wait_ns(1_110) == 90
    assert (pace.begun, pace.offered(1_450)) == (1, 3)


def test_what_was_owed_before_the_rest_stays_owed() -> None:
    pace = Pace(100, now_ns=1_000)
    pace.rest(1_500)
    assert pace.offered(1_500) == 5
