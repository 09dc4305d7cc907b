from typing import Any

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model.policy import Bucket, Calendar, Limit, Meter, Slots
from guard.model.questions import Reading
from guard.wire.rate_limit_fields import rate_limit, seconds
from tests.build import rule


def reading(
    name: str = "key",
    bucket: tuple[int, int, int] = (40, 20, 1000),
    meter: Meter | None = None,
    *,
    left: int = 39,
    next_ms: int = 50,
    cost: int = 1,
    exposed: bool = True,
    vetoes: bool = True,
    spare: int = 0,
) -> Reading:
    limit = Limit(name=name, rule=rule(name), meter=meter or Bucket(*bucket), per=("key",), exposed=exposed)
    return Reading(limit, left, 0, next_ms, short=False, cost=cost, vetoes=vetoes, spare=spare)


def written(*readings: Reading) -> tuple[str, str]:
    (policy_name, policy), (name, room) = rate_limit(readings)
    assert (policy_name, name) == (b"ratelimit-policy", b"ratelimit")
    return policy.decode(), room.decode()


def test_a_bucket_is_told_as_the_draft_asks() -> None:
    assert written(reading()) == ('"key";q=40;w=2', '"key";r=39;t=1')


def test_what_is_kept_for_others_is_told_to_nobody_else() -> None:
    assert written(reading(left=39, spare=10)) == ('"key";q=30;w=2', '"key";r=29;t=1')
    assert written(reading(left=7, spare=10, next_ms=200)) == ('"key";q=30;w=2', '"key";r=0;t=1')


def test_a_quota_by_the_calendar_is_told_with_its_period_and_the_time_to_its_end() -> None:
    daily = reading(meter=Calendar(200_000, 86_400_000), left=199_999, next_ms=3_600_001)
    assert written(daily) == ('"key";q=200000;w=86400', '"key";r=199999;t=3601')


def test_slots_are_told_in_their_own_unit_and_without_a_time() -> None:
    assert written(reading("pending", meter=Slots(10), left=9, next_ms=0)) == (
        '"pending";q=10;qu="concurrent-requests"',
        '"pending";r=9',
    )


def test_a_quota_and_slots_of_equal_numbers_are_told_apart() -> None:
    both = reading(meter=Calendar(10, 1000), next_ms=0), reading(meter=Slots(10), next_ms=0)
    assert written(*both)[0] == '"key";q=10;w=1, "key";q=10;qu="concurrent-requests"'


def test_several_limits_are_one_list() -> None:
    both = reading(left=0), reading("orders", (300, 30, 1000), left=211, next_ms=1001)
    assert written(*both) == ('"key";q=40;w=2, "orders";q=300;w=10', '"key";r=0;t=1, "orders";r=211;t=2')


def test_a_limit_of_unequal_costs_says_that_it_counts_cost() -> None:
    assert written(reading(cost=3)) == ('"key";q=40;w=2;guard-unit="cost"', '"key";r=39;t=1')


@pytest.mark.parametrize("hidden", [reading(exposed=False), reading(vetoes=False)])
def test_hidden_and_shadow_limits_are_not_told(hidden: Reading) -> None:
    assert rate_limit((hidden,)) == ()
    assert written(hidden, reading("ip")) == ('"ip";q=40;w=2', '"ip";r=39;t=1')


def test_without_limits_there_are_no_fields() -> None:
    assert rate_limit(()) == ()


def test_a_full_bucket_has_no_time_at_which_there_is_more() -> None:
    assert written(reading(left=40, next_ms=0))[1] == '"key";r=40'


@pytest.mark.parametrize(
    ("bucket", "window_s"),
    [
        ((1, 1, 1), 1),
        ((1, 1, 1000), 1),
        ((3, 2, 1000), 2),
        ((10, 1, 60_000), 600),
        ((1, 1000, 1), 1),
        ((7, 3, 10_000), 24),
    ],
)
def test_the_window_is_the_time_to_fill_rounded_up(bucket: tuple[int, int, int], window_s: int) -> None:
    assert written(reading(bucket=bucket))[0] == f'"key";q={bucket[0]};w={window_s}'


@pytest.mark.parametrize(("wait_ms", "expected"), [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)])
def test_seconds_round_up(wait_ms: int, expected: int) -> None:
    assert seconds(wait_ms) == expected


def parsed(written_list: str) -> Any:
    return http_sf.parse(written_list.encode(), tltype="list")


NUMBERS = st.integers(1, 10**18)


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS), st.integers(-5, 10**18), NUMBERS, st.sampled_from(["key", 'a"b', "a\\b"]))
def test_any_bucket_is_written_so_that_a_strict_parser_reads_it(
    bucket: tuple[int, int, int], left: int, next_ms: int, name: str
) -> None:
    policy, room = written(reading(name, bucket, left=left, next_ms=next_ms))
    [(named, parameters)] = parsed(policy)
    assert named == name
    assert parameters["q"] == min(bucket[0], 10**15 - 1)
    assert parameters["w"] >= 1
    [(named, parameters)] = parsed(room)
    assert named == name
    assert 0 <= parameters["r"] <= max(left, 0)
    assert parameters["t"] >= 1
