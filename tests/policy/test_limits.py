import pytest

from guard.model.policy import Bucket
from guard.model.rules import Mode, Rule
from tests.policy_text import policy, routes, told

OPEN_AND_SIGNED = (
    "routes:\n"
    "  GET /v1/time: {auth: none}\n"
    "  GET /v1/orders: {}\n"
    "  POST /v1/orders: {group: orders, cost: 3}\n"
    "  DELETE /v1/orders/{id}: {group: cancels}\n"
)


def with_limits(*limits: str) -> str:
    return policy("limits:\n" + "\n".join(f"  {limit}" for limit in limits), routes=OPEN_AND_SIGNED)


def test_a_limit_is_a_bucket_with_its_place_in_the_file() -> None:
    (limit,) = routes(with_limits("orders: {per: [account], rate: 300/10s, burst: 400, cost: 2, routes: [orders]}"))[
        "POST /v1/orders"
    ].limits_principal
    assert limit.meter == Bucket(capacity=400, refill_tokens=300, period_ms=10_000)
    assert limit.rule == Rule("limits.orders", "p0.yaml", 5, Mode.ENFORCE)
    assert (limit.name, limit.per, limit.cost) == ("orders", ("account",), 2)


def test_a_bucket_holds_one_period_unless_it_says_otherwise() -> None:
    (limit,) = routes(with_limits("key: {per: [key], rate: 300/10s}"))["GET /v1/orders"].limits_principal
    assert limit.meter.capacity == 300


@pytest.mark.parametrize(
    ("limit", "exposed"),
    [
        ("x: {per: [key], rate: 9/s}", True),
        ("x: {per: [ip, account], rate: 9/s}", True),
        ("x: {per: [ip], rate: 9/s}", False),
        ("x: {per: [service], rate: 9/s}", False),
        ("x: {per: [route], rate: 9/s, expose: true}", True),
        ("x: {per: [key], rate: 9/s, expose: false}", False),
    ],
)
def test_only_limits_of_the_client_itself_are_exposed_unless_said(limit: str, *, exposed: bool) -> None:
    route = routes(with_limits(limit))["GET /v1/orders"]
    (found,) = (*route.limits_address, *route.limits_principal)
    assert found.exposed is exposed


def test_limits_of_addresses_are_charged_before_and_all_others_after_verification() -> None:
    route = routes(
        with_limits(
            "ip: {per: [ip], rate: 9/s}",
            "ip-route: {per: [ip, route], rate: 9/s}",
            "both: {per: [ip, key], rate: 9/s}",
            "service: {per: [service], rate: 9/s}",
            "account: {per: [account], rate: 9/s}",
        )
    )["GET /v1/orders"]
    assert [limit.name for limit in route.limits_address] == ["ip", "ip-route"]
    assert [limit.name for limit in route.limits_principal] == ["both", "service", "account"]


def test_routes_and_except_narrow_by_group_and_by_key() -> None:
    found = routes(
        with_limits(
            "all: {per: [key], rate: 9/s}",
            "some: {per: [key], rate: 9/s, routes: [orders, GET /v1/orders]}",
            "most: {per: [key], rate: 9/s, except: [cancels, GET /v1/orders]}",
            "one: {per: [key], rate: 9/s, routes: [orders, cancels], except: [orders]}",
        )
    )
    assert {name: [limit.name for limit in route.limits_principal] for name, route in found.items()} == {
        "GET /v1/time": ["all", "most"],
        "GET /v1/orders": ["all", "some"],
        "POST /v1/orders": ["all", "some", "most"],
        "DELETE /v1/orders/{id}": ["all", "one"],
    }


def test_an_open_route_is_charged_like_any_other() -> None:
    found = routes(
        with_limits("ip: {per: [ip], rate: 9/s}", "key: {per: [key], rate: 9/s}", "all: {per: [service], rate: 9/s}")
    )
    assert [limit.name for limit in found["GET /v1/time"].limits_address] == ["ip"]
    assert [limit.name for limit in found["GET /v1/time"].limits_principal] == ["key", "all"]


@pytest.mark.parametrize(
    ("limit", "fault"),
    [
        ("x: {per: [key], rate: 9/s, routes: [order]}", ("P201", 5, "no route or group `order`")),
        ("x: {per: [key], rate: 9/s, except: [GET /v1/nothing]}", ("P201", 5, "no route or group `GET /v1/nothing`")),
        (
            "x: {per: [key], rate: 9/s, routes: [orders], except: [orders]}",
            ("P302", 5, "the limit `x` applies to no route"),
        ),
        (
            "x: {per: [key], rate: 9/s, cost: 10}",
            ("P303", 5, "a cost of 10 can never be paid: the bucket of `x` holds 9"),
        ),
        (
            "x: {per: [key], rate: 9/s, burst: 2}",
            ("P303", 9, "a cost of 3 can never be paid: the bucket of `x` holds 2"),
        ),
        ("x: {per: [key, key], rate: 9/s}", ("P110", 5, "the same dimension twice")),
        ("x: {per: [key], rate: 9/2d}", ("P107", 5, "at most 10,000,000 tokens, in at most a day")),
        ("x: {per: [key], rate: 10000001/s}", ("P107", 5, "at most 10,000,000 tokens, in at most a day")),
    ],
)
def test_a_limit_that_cannot_work_is_refused(limit: str, fault: tuple[str, int, str]) -> None:
    assert told(with_limits(limit)) == [fault]


def test_a_cost_of_its_own_makes_the_routes_cost_irrelevant() -> None:
    assert told(with_limits("x: {per: [key], rate: 2/s, cost: 2}")) == []


def test_a_flood_of_dangling_names_is_cut_short() -> None:
    names = ", ".join(f"GET /{n}" for n in range(150))
    limits = [f"l{n}: {{per: [key], rate: 9/s, routes: [{names}]}}" for n in range(100)]
    assert len(told(with_limits(*limits))) == 50
