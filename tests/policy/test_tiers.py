"""Tiers: limits that are others for the keys of a tier."""

import pytest

from guard.model.policy import Bucket, Calendar, Slots
from tests.policy_text import policy, routes, told

LIMITS = (
    "limits:\n"
    "  key: {per: [key], rate: 20/s, burst: 40}\n"
    "  daily: {per: [account], quota: 1000/day}\n"
    "  pending: {per: [key], concurrent: 10}\n"
    "  ip: {per: [ip], rate: 50/s}\n"
    "  other: {per: [key], rate: 5/s, routes: [orders]}"
)


def with_tiers(*tiers: str) -> str:
    return policy(LIMITS, "tiers:\n" + "\n".join(f"  {tier}" for tier in tiers))


def test_a_tier_changes_its_limits_on_each_route_and_leaves_the_others() -> None:
    text = with_tiers(
        "maker: {key: 200/s, daily: {quota: 9000/day}, pending: {concurrent: 99}}",
        "slow: {key: {rate: 2/s, burst: 30}}",
        "trader: {other: 50/s}",
    )
    found = routes(text)
    order, time = found["POST /v1/orders"], found["GET /v1/time"]
    base = {limit.name: limit for limit in order.limits_principal}
    maker = {limit.name: limit for limit in order.limits_by_tier["maker"]}
    assert [limit.name for limit in order.limits_by_tier["maker"]] == [limit.name for limit in order.limits_principal]
    assert maker["key"].meter == Bucket(200, 200, 1000)
    assert (maker["daily"].meter, maker["pending"].meter) == (Calendar(9000, 86_400_000), Slots(99))
    assert maker["other"] is base["other"]
    assert (maker["key"].tier, base["key"].tier, maker["key"].rule) == ("maker", None, base["key"].rule)
    assert order.limits_by_tier["slow"][0].meter == Bucket(30, 2, 1000)
    assert (set(order.limits_by_tier), set(time.limits_by_tier)) == ({"maker", "slow", "trader"}, {"maker", "slow"})


def test_one_limit_of_a_tier_has_one_meter_on_every_route() -> None:
    found = routes(with_tiers("maker: {key: 200/s}"))
    one, other = (found[name].limits_by_tier["maker"][0] for name in ("POST /v1/orders", "GET /v1/time"))
    assert one.meter is other.meter


@pytest.mark.parametrize(
    ("tier", "fault"),
    [
        ("maker: {keys: 200/s}", ("P208", 11, "no limit `keys`")),
        (
            "maker: {ip: 200/s}",
            ("P210", 11, "the limit `ip` counts neither keys nor accounts, and they have the tiers"),
        ),
        ("maker: {daily: 200/s}", ("P110", 11, "the limit counts by `quota`, and so it does here")),
        (
            "maker: {pending: {concurrent: 9, rate: 9/s}}",
            ("P110", 11, "the limit counts by `concurrent`, and so it does here"),
        ),
        (
            "maker: {pending: {concurrent: 9, burst: 9}}",
            ("P110", 11, "the limit counts by `concurrent`, and so it does here"),
        ),
        ("maker: {key: {burst: 9}}", ("P110", 11, "the limit counts by `rate`, and so it does here")),
        ("Maker: {key: 9/s}", ("P106", 11, "`Maker` is not a name")),
    ],
)
def test_a_tier_changes_only_what_is_there_and_what_knows_its_keys(tier: str, fault: tuple[str, int, str]) -> None:
    assert told(with_tiers(tier)) == [fault]
