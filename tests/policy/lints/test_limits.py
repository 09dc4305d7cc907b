"""Limits that never decide, and buckets that fill too slowly."""

import pytest

from tests.policy_text import policy, told

ROUTES = "routes:\n  GET /a: {scope: read}\n  GET /b: {scope: read, cost: 4, group: dear, timeout: 2s}\n"
NARROW = "narrow: {per: [key], rate: 50/s, burst: 100}"


def _told(*limits: str) -> list[tuple[str, int, str]]:
    found = told(policy("limits:", *(f"  {limit}" for limit in limits), routes=ROUTES))
    return [one for one in found if one[0] != "P304"]


def _idle(*limits: str) -> list[int]:
    """The lines of those that never decide."""
    return [line for _, line, message in _told(*limits) if "never decides" in message]


@pytest.mark.parametrize(
    "broader",
    [
        "broad: {per: [key], rate: 50/s, burst: 99}",
        "broad: {per: [key], rate: 499/10s, burst: 100}",
        "broad: {per: [account], rate: 20/s}",
        "broad: {per: [service], rate: 20/s}",
        "broad: {per: [account, service], rate: 20/s}",
    ],
)
def test_a_limit_never_decides_beside_one_that_counts_all_of_it_and_has_no_more_room(broader: str) -> None:
    message = "the limit `narrow` never decides: `broad` at line 6 counts all that it counts, and has no more room"
    assert _told(NARROW, broader) == [("P305", 5, message)]


@pytest.mark.parametrize(
    "other",
    [
        "other: {per: [key], rate: 51/s, burst: 50}",
        "other: {per: [key], rate: 49/s, burst: 101}",
        "other: {per: [ip], rate: 20/s}",
        "other: {per: [key, ip], rate: 20/s}",
        "other: {per: [account, route], rate: 20/s}",
        "other: {per: [account], rate: 20/s, routes: [dear]}",
        "other: {per: [account], rate: 20/s, cost: 1}",
        "other: {per: [account], rate: 20/s, mode: shadow}",
        "other: {per: [account], rate: 20/s, mode: off}",
        "other: {per: [account], quota: 1000/day}",
        "other: {per: [account], concurrent: 1}",
    ],
)
def test_a_limit_decides_beside_one_that_counts_less_in_other_units_or_has_more_room(other: str) -> None:
    assert _idle(NARROW, other) == []


@pytest.mark.parametrize(
    ("narrow", "broad", "idle"),
    [
        ("{per: [key], quota: 100/day}", "{per: [account], quota: 100/day}", [5]),
        ("{per: [key], quota: 99/day}", "{per: [account], quota: 100/day}", []),
        ("{per: [key], quota: 100/day}", "{per: [account], quota: 100/hour}", []),
        ("{per: [key], concurrent: 9}", "{per: [account], concurrent: 8}", [5]),
        ("{per: [key], concurrent: 7}", "{per: [account], concurrent: 8}", []),
        ("{per: [key], rate: 9/s, routes: [dear]}", "{per: [key, route], rate: 9/s}", [5]),
        ("{per: [key], rate: 9/s, mode: shadow}", "{per: [account], rate: 9/s, mode: shadow}", [5]),
        ("{per: [ip], rate: 9/s}", "{per: [service], rate: 9/s}", []),  # charged for what never comes to the second
        ("{per: [key, ip], rate: 9/s}", "{per: [ip], rate: 9/s}", [5]),
    ],
)
def test_each_way_of_counting_is_held_against_its_own_kind(narrow: str, broad: str, idle: list[int]) -> None:
    assert _idle(f"narrow: {narrow}", f"broad: {broad}") == idle


def test_of_two_that_are_equal_the_later_one_is_told() -> None:
    assert _idle("one: {per: [key], rate: 9/s}", "two: {per: [key], rate: 9/s}") == [6]


def test_of_a_chain_the_tightest_alone_decides() -> None:
    chain = ("a: {per: [key], rate: 9/s}", "b: {per: [account], rate: 8/s}", "c: {per: [service], rate: 7/s}")
    assert _idle(*chain) == [5, 6]


def test_a_bucket_that_fills_more_slowly_than_a_route_waits_is_told() -> None:
    message = "a request to `GET /b` costs 4, which `x` takes 4s to give back: longer than the route's timeout of 2s"
    assert _told("x: {per: [key], rate: 1/s, burst: 9}") == [("P305", 5, message)]


@pytest.mark.parametrize(
    "limit",
    [
        "{per: [key], rate: 2/s, burst: 9}",
        "{per: [key], rate: 1/h, cost: 1}",
        "{per: [key], quota: 9/day}",
        "{per: [key], rate: 1/s, burst: 9, except: [dear]}",
        "{per: [key], rate: 1/s, burst: 9, mode: off}",
    ],
)
def test_one_that_fills_in_time_or_counts_few_requests_is_meant(limit: str) -> None:
    assert _told(f"x: {limit}") == []
