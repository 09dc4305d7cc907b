"""May orders take what cancels need?"""

import pytest

from tests.policy_text import policy, told

LIMIT = "limits: {x: {per: [key], rate: 9/s}}"


def _told(*routes: str, limit: str = LIMIT) -> list[tuple[str, int, str]]:
    return told(policy(limit, routes="routes:\n" + "".join(f"  {one}\n" for one in routes)))


@pytest.mark.parametrize("cancel", ["DELETE /v1/positions/{id}", "POST /v1/cancelAll", "POST /v1/x/cancel"])
@pytest.mark.parametrize(
    "entry", ["POST /v1/orders: {}", "POST /v1/p: {scope: trade}", "PUT /v1/p: {group: order-entry}"]
)
def test_orders_that_can_empty_the_bucket_of_cancels_are_told(cancel: str, entry: str) -> None:
    name = entry.partition(":")[0]
    message = f"`{cancel}` takes from `x`, which `{name}` can empty: then nothing is cancelled"
    assert _told(entry, f"{cancel}: {{}}") == [("P311", 4, message)]


@pytest.mark.parametrize(
    ("routes", "limit"),
    [
        (("POST /v1/orders: {}", "DELETE /v1/orders: {group: c}"), "limits: {x: {per: [key], rate: 9/s, except: [c]}}"),
        (("POST /v1/orders: {}", "DELETE /v1/orders: {}"), "limits: {x: {per: [key, route], rate: 9/s}}"),
        (("POST /v1/orders: {}", "DELETE /v1/orders: {}"), "limits: {x: {per: [key], rate: 9/s, mode: shadow}}"),
        (("POST /v1/alerts: {}", "DELETE /v1/alerts: {}"), LIMIT),
        (("POST /v1/orders: {}", "GET /v1/cancelled: {}"), LIMIT),
        (("GET /v1/orders: {}", "DELETE /v1/orders: {}"), LIMIT),
        (("POST /v1/orders: {}",), LIMIT),
    ],
)
def test_cancels_that_no_order_can_block_are_not(routes: tuple[str, ...], limit: str) -> None:
    assert _told(*routes, limit=limit) == []
