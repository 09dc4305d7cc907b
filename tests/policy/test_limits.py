import pytest

from guard.model.policy import Bucket, Calendar, Meter, Slots
from guard.model.rules import Mode, Rule
from tests.policy_text import codes, found, policy, routes, told

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
    ("limit", "meter"),
    [
        ("x: {per: [account], quota: 200000/day}", Calendar(200_000, 86_400_000)),
        ("x: {per: [account], quota: 50000000/h, cost: 2}", Calendar(50_000_000, 3_600_000)),
        ("x: {per: [account], concurrent: 10}", Slots(10)),
    ],
)
def test_a_limit_is_a_quota_by_the_calendar_or_so_many_at_once(limit: str, meter: Meter) -> None:
    (compiled,) = routes(with_limits(limit))["GET /v1/orders"].limits_principal
    assert compiled.meter == meter


def test_a_slot_costs_one_whatever_the_route_costs() -> None:
    (compiled,) = routes(with_limits("x: {per: [account], concurrent: 10}"))["GET /v1/orders"].limits_principal
    assert (compiled.cost, compiled.counts_cost) == (1, False)


def test_a_limit_on_what_one_address_does_at_once_is_charged_before_anything_is_verified() -> None:
    route = routes(with_limits("x: {per: [ip], concurrent: 10}", "y: {per: [ip, key], concurrent: 10}"))
    assert [limit.name for limit in route["GET /v1/orders"].limits_address] == ["x"]
    assert [limit.name for limit in route["GET /v1/orders"].limits_principal] == ["y"]


@pytest.mark.parametrize(
    ("limit", "fault", "remedy"),
    [
        (
            "x: {per: [key]}",
            ("P105", 5, "the limit `x` does not say how it counts"),
            "write `rate`, `quota` or `concurrent`",
        ),
        (
            "x: {per: [key], rate: 9/s, quota: 9/day}",
            ("P110", 5, "`rate` and `quota` exclude one another"),
            "make two limits of them",
        ),
        (
            "x: {per: [key], concurrent: 9, quota: 9/day}",
            ("P110", 5, "`quota` and `concurrent` exclude one another"),
            "make two limits of them",
        ),
        (
            "x: {per: [key], quota: 9/day, burst: 9}",
            ("P110", 5, "`burst` belongs to `rate`, not to `quota`"),
            "leave it out",
        ),
        (
            "x: {per: [key], concurrent: 9, burst: 9}",
            ("P110", 5, "`burst` belongs to `rate`, not to `concurrent`"),
            "leave it out",
        ),
        (
            "x: {per: [key], concurrent: 9, cost: 1}",
            ("P110", 5, "`concurrent` counts requests, whatever they cost"),
            "leave `cost` out",
        ),
        (
            "x: {per: [key], quota: 20/s}",
            ("P104", 5, "`20/s` is not a quota"),
            "write a whole number and /hour or /day, such as 200000/day",
        ),
        ("x: {per: [key], quota: 50000001/day}", ("P107", 5, "at most 50,000,000 tokens"), ""),
        ("x: {per: [key], concurrent: 10001}", ("P107", 5, "must be at most 10000"), ""),
        ("x: {per: [key], concurrent: 0}", ("P107", 5, "must be at least 1"), ""),
        (
            "x: {per: [key], quota: 2/day}",
            ("P303", 9, "a cost of 3 can never be paid: the quota of `x` holds 2"),
            "raise its quota, or lower the cost",
        ),
        (
            "x: {per: [key], quota: 2/day, cost: 3}",
            ("P303", 5, "a cost of 3 can never be paid: the quota of `x` holds 2"),
            "",
        ),
        (
            "x: {per: [key], concurrent: 1, routes: [orders], except: [orders]}",
            ("P302", 5, "the limit `x` applies to no route"),
            "",
        ),
    ],
)
def test_a_limit_counts_in_one_way_with_what_belongs_to_it(
    limit: str, fault: tuple[str, int, str], remedy: str
) -> None:
    assert told(with_limits(limit)) == [fault]
    assert found(with_limits(limit))[0].help == remedy


def test_all_three_ways_at_once_are_told_apart_from_the_first() -> None:
    text = with_limits("x: {per: [key], rate: 9/s, quota: 9/day, concurrent: 9}")
    assert [message for _, _, message in told(text)] == [
        "`rate` and `quota` exclude one another",
        "`rate` and `concurrent` exclude one another",
    ]


def test_one_at_once_is_enough_for_a_route_of_any_cost() -> None:
    assert codes(with_limits("x: {per: [key], concurrent: 1, except: [cancels]}")) == ["P304"]


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
    (compiled,) = (*route.limits_address, *route.limits_principal)
    assert compiled.exposed is exposed


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
    narrowed = routes(
        with_limits(
            "all: {per: [key], rate: 9/s}",
            "some: {per: [key], rate: 9/s, routes: [orders, GET /v1/orders]}",
            "most: {per: [key], rate: 9/s, except: [cancels, GET /v1/orders]}",
            "one: {per: [key], rate: 9/s, routes: [orders, cancels], except: [orders]}",
        )
    )
    assert {name: [limit.name for limit in route.limits_principal] for name, route in narrowed.items()} == {
        "GET /v1/time": ["all", "most"],
        "GET /v1/orders": ["all", "some"],
        "POST /v1/orders": ["all", "some", "most"],
        "DELETE /v1/orders/{id}": ["all", "one"],
    }


def test_an_open_route_is_charged_like_any_other() -> None:
    opened = routes(
        with_limits("ip: {per: [ip], rate: 9/s}", "key: {per: [key], rate: 9/s}", "all: {per: [service], rate: 9/s}")
    )
    assert [limit.name for limit in opened["GET /v1/time"].limits_address] == ["ip"]
    assert [limit.name for limit in opened["GET /v1/time"].limits_principal] == ["key", "all"]


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
    assert codes(with_limits("x: {per: [key], rate: 2/s, cost: 2, except: [cancels]}")) == ["P304"]


def test_a_flood_of_dangling_names_is_cut_short() -> None:
    names = ", ".join(f"GET /{n}" for n in range(150))
    limits = [f"l{n}: {{per: [key], rate: 9/s, routes: [{names}]}}" for n in range(100)]
    assert len(told(with_limits(*limits))) == 50


def test_a_limit_that_counts_requests_takes_one_of_each_and_one_that_counts_bytes_says_so() -> None:
    route = routes(with_limits("x: {per: [key], rate: 9/s, count: requests}", "y: {per: [key], rate: 9/s}"))
    assert [(one.cost, one.of_bytes) for one in route["GET /v1/orders"].limits_principal] == [(1, False), (None, False)]
    (of_bytes,) = routes(with_limits("x: {per: [key], rate: 2000000/s, count: bytes}"))[
        "GET /v1/orders"
    ].limits_principal
    assert (of_bytes.cost, of_bytes.of_bytes, of_bytes.counts_cost) == (None, True, False)


@pytest.mark.parametrize(
    ("limit", "fault"),
    [
        ("x: {per: [key], concurrent: 9, count: bytes}", "`concurrent` counts requests, whatever they cost"),
        ("x: {per: [key], rate: 9/s, count: requests, cost: 2}", "`count: requests` counts no costs"),
        ("x: {per: [key], rate: 9/s, count: bytes, cost: 2}", "`count: bytes` counts no costs"),
    ],
)
def test_what_is_counted_goes_with_what_it_costs(limit: str, fault: str) -> None:
    assert [(code, message) for code, _, message in told(with_limits(limit))] == [("P110", fault)]


def test_a_reserve_is_for_critical_routes_and_one_that_none_may_use_is_refused() -> None:
    text = policy(
        "limits:\n  x: {per: [ip], rate: 9/s, reserve: 4}",
        routes="routes:\n  POST /v1/orders: {}\n  DELETE /v1/orders: {priority: critical}\n",
    )
    assert [limit.reserve for limit in routes(text)["POST /v1/orders"].limits_address] == [4]
    assert told(text.replace(", reserve: 4", ", reserve: 4, except: [DELETE /v1/orders]")) == [
        ("P309", 5, "the limit `x` applies to no route with `priority: critical`")
    ]


BY_BODY = (
    "limits:\n"
    "  cost: {per: [ip], rate: 99/s}\n"
    "  requests: {per: [ip], rate: 99/s, count: requests}\n"
    "  own: {per: [ip], rate: 99/s, cost: 2}\n"
    "  bytes: {per: [ip], rate: 2000000/s, count: bytes}\n"
    "  slots: {per: [ip], concurrent: 9}\n"
)


@pytest.mark.parametrize(
    ("cost", "first"),
    [
        ("3", ["cost", "requests", "own", "slots"]),
        ("{query: limit, default: 5, steps: {100: 5}}", ["cost", "requests", "own", "slots"]),
        ("{items: /orders, max: 9}", ["requests", "own", "slots"]),
        ("{field: /depth, default: 5, steps: {100: 5}}", ["requests", "own", "slots"]),
        ("{response_header: Guard-Cost, hold: 1, max: 9}", ["requests", "own", "slots"]),
        ("{hold: 1, on_success: 0}", ["requests", "own", "slots"]),
    ],
)
def test_a_limit_of_addresses_is_charged_first_only_where_the_head_tells_the_cost(cost: str, first: list[str]) -> None:
    route = routes(policy(BY_BODY, routes=f"routes:\n  POST /v1/orders: {{cost: {cost}}}\n"))["POST /v1/orders"]
    assert [limit.name for limit in route.limits_address] == first
    names = {limit.name for limit in (*route.limits_address, *route.limits_principal)}
    assert names == {"cost", "requests", "own", "bytes", "slots"}
