from hypothesis import given
from hypothesis import strategies as st

from guard.model.upstream_policy import BreakerPolicy
from guard.upstream.breaker import Breaker

POLICY = BreakerPolicy(failures_percent=50, exchanges_min=4, window_ms=1000, open_ms=300)


def opened(at_ms: int = 0) -> Breaker:
    breaker = Breaker(POLICY)
    for _ in range(4):
        breaker.failed(at_ms)
    assert breaker.open
    return breaker


def test_it_opens_with_the_failure_that_makes_the_share() -> None:
    breaker = Breaker(POLICY)
    seen = []
    for end in (breaker.succeeded, breaker.succeeded, breaker.failed, breaker.failed):
        end(10)
        seen.append(breaker.open)
    assert seen == [False, False, False, True]


def test_it_does_not_open_on_a_smaller_share() -> None:
    breaker = Breaker(POLICY)
    for _ in range(100):
        breaker.succeeded(10)
        breaker.succeeded(10)
        breaker.failed(10)
    assert not breaker.open


def test_it_does_not_open_on_too_few_exchanges() -> None:
    breaker = Breaker(POLICY)
    for _ in range(3):
        breaker.failed(10)
    assert not breaker.open


def test_what_is_older_than_the_window_is_forgotten() -> None:
    breaker = Breaker(POLICY)
    for at_ms in (0, 0, 0, 1000, 1000, 1000):
        breaker.failed(at_ms)
    assert not breaker.open
    breaker.failed(1001)
    assert breaker.open


def test_good_exchanges_that_left_the_window_excuse_nothing() -> None:
    breaker = Breaker(POLICY)
    for _ in range(50):
        breaker.succeeded(0)
    for _ in range(4):
        breaker.failed(1000)
    assert breaker.open


def test_it_lets_nothing_through_until_its_time_is_over() -> None:
    breaker = opened()
    assert [breaker.lets_through(at_ms) for at_ms in (0, 299, 300)] == [False, False, True]
    assert [breaker.begin(at_ms) for at_ms in (0, 299, 300)] == [False, False, True]


def test_then_it_lets_one_through_at_a_time() -> None:
    breaker = opened()
    assert [breaker.begin(300), breaker.begin(300), breaker.begin(599)] == [True, False, False]
    assert not breaker.lets_through(599)


def test_asking_takes_nothing() -> None:
    breaker = opened()
    assert [breaker.lets_through(300), breaker.lets_through(300), breaker.begin(300)] == [True, True, True]


def test_one_that_ends_without_a_verdict_holds_the_way_no_longer_than_it_would_have_stayed_open() -> None:
    breaker = opened()
    assert [breaker.begin(300), breaker.begin(600)] == [True, True]


def test_its_success_closes_the_breaker_and_the_count_begins_anew() -> None:
    breaker = opened()
    assert breaker.begin(300)
    breaker.succeeded(310)
    assert (breaker.open, breaker.begin(310), breaker.begin(310)) == (False, True, True)
    for _ in range(3):
        breaker.failed(320)
    assert not breaker.open


def test_its_failure_opens_the_breaker_again_for_the_whole_time() -> None:
    breaker = opened()
    assert breaker.begin(300)
    breaker.failed(310)
    assert [breaker.begin(at_ms) for at_ms in (310, 609, 610)] == [False, False, True]


def test_ends_of_what_began_before_it_opened_change_nothing() -> None:
    breaker = opened()
    breaker.succeeded(10)
    breaker.failed(290)
    assert [breaker.open, breaker.begin(299), breaker.begin(300)] == [True, False, True]


EVENTS = st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["good", "bad", "begin"])), max_size=120)


@given(EVENTS)
def test_it_opens_for_a_reason_and_stays_open_for_its_time(events: list[tuple[int, str]]) -> None:
    breaker = Breaker(POLICY)
    now_ms, open_since_ms, let_through_ms = 0, None, None
    ends: list[tuple[int, str]] = []
    for step_ms, event in events:
        now_ms += step_ms
        was_open = breaker.open
        if event == "begin":
            allowed = breaker.begin(now_ms)
            assert allowed or was_open
            if was_open and allowed:
                assert open_since_ms is not None
                assert now_ms - max(open_since_ms, let_through_ms or 0) >= POLICY.open_ms
                let_through_ms = now_ms
            continue
        (breaker.succeeded if event == "good" else breaker.failed)(now_ms)
        ends.append((now_ms, event))
        if breaker.open and not was_open:
            open_since_ms, let_through_ms = now_ms, None
            lately = [end for at_ms, end in ends if now_ms - at_ms < 1100]  # the window, and a tenth for its slices
            surely = [end for at_ms, end in ends if now_ms - at_ms < 900]
            assert len(lately) >= POLICY.exchanges_min
            assert lately.count("bad") * 2 >= len(surely)
            ends.clear()
        elif was_open:
            ends.clear()
            if breaker.open and let_through_ms is not None and event == "bad":
                open_since_ms, let_through_ms = now_ms, None
        elif not breaker.open:
            surely = [end for at_ms, end in ends if now_ms - at_ms < 900]
            assert surely.count("bad") < POLICY.exchanges_min or "good" in [end for _, end in ends]
