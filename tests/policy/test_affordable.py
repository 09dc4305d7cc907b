"""Can what is let in be paid, and is what costs charged?"""

from tests.policy_text import found, policy, told

ROUTES = (
    "routes:\n"
    "  POST /v1/orders: {cost: 3, group: orders}\n"
    "  DELETE /v1/orders: {cost: 3, priority: critical}\n"
    "  GET /v1/orders: {max_body: 64KiB}\n"
)


def with_limits(*parts: str) -> str:
    return policy("limits:\n" + "\n".join(f"  {limit}" for limit in parts), routes=ROUTES)


def test_what_must_be_left_in_reserve_cannot_be_paid_but_by_critical_routes() -> None:
    assert told(with_limits("x: {per: [key], rate: 8/s, reserve: 5}")) == []
    assert told(with_limits("x: {per: [key], rate: 8/s, reserve: 6}")) == [
        ("P303", 7, "a cost of 3 can never be paid: the bucket of `x` holds 8, 6 of it in reserve")
    ]
    assert told(with_limits("x: {per: [key], rate: 8/s, reserve: 8, count: requests}"))[0] == (
        "P303",
        5,
        "a cost of 1 can never be paid: the bucket of `x` holds 8, 8 of it in reserve",
    )
    assert told(with_limits("x: {per: [key], concurrent: 3, reserve: 3}"))[0] == (
        "P303",
        5,
        "a cost of 1 can never be paid: the slots of `x` holds 3, 3 of it in reserve",
    )


def test_a_tier_that_is_poorer_than_a_cost_is_told_where_it_stands() -> None:
    text = policy(
        "limits: {key: {per: [key], rate: 20/s}}", "tiers:\n  small: {key: {rate: 9/s, burst: 2}}", routes=ROUTES
    )
    assert told(text) == [
        ("P303", 6, "a cost of 3 can never be paid: the bucket of `key` for the tier `small` holds 2")
    ]


def test_the_largest_body_must_fit_where_bytes_are_counted() -> None:
    assert (
        told(
            with_limits(
                "x: {per: [key], rate: 65536/s, count: bytes, routes: [GET /v1/orders]}",
                "y: {per: [key], rate: 9/s, reserve: 1}",
            )
        )
        == []
    )
    (fault,) = found(with_limits("x: {per: [key], rate: 65535/s, count: bytes, routes: [GET /v1/orders]}"))
    assert (fault.code, fault.line) == ("P303", 9)
    assert fault.message == "a body of 65536 can never be paid: the bucket of `x` holds 65535"
    assert fault.help == "raise its burst, or lower the body"


def test_a_cost_that_no_limit_counts_is_told_as_a_warning() -> None:
    text = with_limits(
        "x: {per: [key], rate: 9/s, count: requests, reserve: 1}", "y: {per: [key], rate: 9/s, routes: [orders]}"
    )
    (fault,) = found(text)
    assert (fault.code, fault.line, str(fault.severity)) == ("P304", 9, "warning")
    assert fault.message == "this cost is never charged: no limit of this route counts costs"
