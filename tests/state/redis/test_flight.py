"""Deadlines that the event loop's own lateness does not shorten."""

from guard.model.questions import Unavailable
from guard.state.redis.calls import Call
from guard.state.redis.flight import TIMED_OUT, Flight
from guard.state.redis.scripts import CHARGE


def call(answered: list[bytes], failed: list[Unavailable]) -> Call:
    return Call(CHARGE, [b"k"], (b"",), answered.append, failed.append)


def test_time_is_over_at_the_second_look_and_not_at_the_first() -> None:
    flight = Flight([], 100.0)
    assert round(flight.look(100.015, 0.020), 6) == 0.005
    assert round(flight.look(100.0201, 0.020), 6) == 0.0011
    assert flight.look(100.0215, 0.020) == 0


def test_a_loop_that_was_late_gives_the_answer_as_much_time_again() -> None:
    flight = Flight([], 100.0)
    assert abs(flight.look(100.120, 0.020) - 0.101) < 1e-9


def test_a_loop_that_slept_for_seconds_gives_a_quarter_of_one() -> None:
    assert Flight([], 100.0).look(160.0, 0.020) == 0.251


def test_a_flight_is_complete_with_the_last_of_its_replies() -> None:
    answered: list[bytes] = []
    calls = [call(answered, []), call(answered, [])]
    flight = Flight(calls, 0.0, loads=2, confirmed=True)
    for reply in (b"sha", b"sha", b"one", b"two"):
        flight.replies.append(reply)
        assert not flight.complete
    flight.replies.append(1)
    assert flight.complete
    assert [reply for _, reply in flight.answers()] == [b"one", b"two"]


def test_failing_tells_every_call_and_is_the_end() -> None:
    failed: list[Unavailable] = []
    flight = Flight([call([], failed), call([], failed)], 0.0)
    flight.fail(TIMED_OUT)
    assert failed == [TIMED_OUT, TIMED_OUT]
    assert flight.over
