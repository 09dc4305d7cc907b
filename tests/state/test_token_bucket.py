import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model.names import UnixMs
from guard.model.policy import Bucket
from guard.state.token_bucket import next_ms, rescaled, settled, wait_ms

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "token_bucket_vectors.json").read_text())["vectors"]
BUCKET = Bucket(10, 3, 1000)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_vectors_are_met_exactly_on_millisecond_instants(vector: dict[str, Any]) -> None:
    rate = Fraction(vector["refill_per_second"])
    bucket = Bucket(vector["capacity"], rate.numerator, 1000 * rate.denominator)
    level, at = bucket.capacity * bucket.period_ms, UnixMs(0)
    for event in vector["events"]:
        exact = Fraction(event["t"]) * 1000
        level, at = settled(level, at, UnixMs(int(exact)), bucket)
        wait = wait_ms(level, event["cost"], bucket)
        assert (wait == 0) == event["allow"]
        if event["allow"]:
            level -= event["cost"] * bucket.period_ms
        if exact.denominator == 1:
            assert Fraction(level, bucket.period_ms) == Fraction(event["tokens_after"])
            told = event["retry_after_s"]
            assert wait == (None if told is None else -(-Fraction(told) * 1000 // 1))


def test_refill_adds_exactly_the_rate_and_moves_the_time() -> None:
    assert settled(0, UnixMs(100), UnixMs(107), BUCKET) == (21, 107)


def test_refill_stops_at_capacity() -> None:
    assert settled(9_999, UnixMs(0), UnixMs(1), BUCKET) == (10_000, 1)


def test_level_above_a_lowered_capacity_is_cut() -> None:
    assert settled(10_001, UnixMs(5), UnixMs(5), BUCKET) == (10_000, 5)


def test_clock_backwards_changes_neither_level_nor_time() -> None:
    assert settled(50, UnixMs(100), UnixMs(40), BUCKET) == (50, 100)


def test_wait_is_the_least_that_is_enough() -> None:
    assert wait_ms(998, 1, BUCKET) == 1
    assert wait_ms(0, 1, BUCKET) == 334
    assert wait_ms(1000, 1, BUCKET) == 0
    assert wait_ms(0, 10, BUCKET) == 3334


def test_wait_is_none_for_what_never_fits() -> None:
    assert wait_ms(10_000, 11, BUCKET) is None
    assert wait_ms(0, 1, Bucket(10, 0, 1000)) is None


def test_what_fits_waits_for_nothing_even_without_refill() -> None:
    assert wait_ms(1000, 1, Bucket(10, 0, 1000)) == 0
    assert wait_ms(12_000, 11, Bucket(10, 1, 1000)) == 0


def test_next_token_is_told_exactly() -> None:
    assert next_ms(0, BUCKET) == 334
    assert next_ms(1998, BUCKET) == 1
    assert next_ms(2000, BUCKET) == 334


def test_next_token_is_zero_when_none_will_come() -> None:
    assert next_ms(10_000, BUCKET) == 0
    assert next_ms(0, Bucket(10, 0, 1000)) == 0


def test_rescaling_keeps_the_tokens_rounds_down_and_clamps() -> None:
    assert rescaled(2500, BUCKET, Bucket(10, 1, 60_000)) == 150_000
    assert rescaled(2500, BUCKET, Bucket(10, 1, 3)) == 7
    assert rescaled(9000, BUCKET, Bucket(4, 1, 1000)) == 4000


@given(
    capacity=st.integers(1, 50),
    refill=st.integers(0, 9),
    period=st.integers(1, 5000),
    events=st.lists(st.tuples(st.integers(-2000, 4000), st.integers(0, 60)), max_size=30),
)
def test_any_history_equals_the_one_in_fractions(
    capacity: int, refill: int, period: int, events: list[tuple[int, int]]
) -> None:
    bucket = Bucket(capacity, refill, period)
    level, at = capacity * period, UnixMs(0)
    tokens, seen, now = Fraction(capacity), 0, 0
    for step, cost in events:
        now += step
        level, at = settled(level, at, UnixMs(now), bucket)
        tokens = min(Fraction(capacity), tokens + Fraction(max(0, now - seen) * refill, period))
        seen = max(seen, now)
        assert Fraction(level, period) == tokens
        assert (wait_ms(level, cost, bucket) == 0) == (cost <= tokens)
        if cost <= tokens:
            level, tokens = level - cost * period, tokens - cost


@given(level=st.integers(0, 10_000), cost=st.integers(0, 10), refill=st.integers(1, 50), period=st.integers(1, 1000))
def test_waiting_is_enough_and_one_millisecond_less_is_not(level: int, cost: int, refill: int, period: int) -> None:
    bucket = Bucket(10, refill, period)
    level = min(level, 10 * period)
    wait = wait_ms(level, cost, bucket)
    assert wait is not None
    assert settled(level, UnixMs(0), UnixMs(wait), bucket)[0] >= cost * period
    if wait > 0:
        assert settled(level, UnixMs(0), UnixMs(wait - 1), bucket)[0] < cost * period
