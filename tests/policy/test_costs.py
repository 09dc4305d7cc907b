"""Costs of routes: one form each, whole, and what is compiled of it."""

import pytest

from guard.model.pricing import ByItems, ByMember, ByParameter, Pricing, Settlement, Steps
from guard.policy.costs import costing
from guard.policy.schema import RoutePart
from tests.policy_text import found, policy, routes, told

LIMITS = "limits: {key: {per: [key], rate: 100/s}}"


def with_cost(cost: str, *, more: str = "") -> str:
    return policy(LIMITS, routes=f"routes:\n  POST /v1/x: {{cost: {cost}{more}}}\n")


@pytest.mark.parametrize(
    ("cost", "least", "pricing"),
    [
        (
            "{items: /orders, each: 2, base: 1, per: 40, max: 400}",
            3,
            ByItems(pointer=("orders",), each=2, base=1, per=40, items_max=400),
        ),
        ("{items: '', max: 5}", 1, ByItems(pointer=(), each=1, base=0, per=1, items_max=5)),
        (
            "{query: limit, default: 5, steps: {500: 25, 100: 5, 1000: 50}}",
            5,
            ByParameter(b"limit", Steps(5, ((100, 5), (500, 25), (1000, 50)))),
        ),
        ("{field: /a~1b/c, default: 2, steps: {'9': 1}}", 2, ByMember(("a/b", "c"), Steps(2, ((9, 1),)))),
    ],
)
def test_a_cost_is_read_out_of_the_request(cost: str, least: int, pricing: Pricing) -> None:
    route = routes(with_cost(cost))["POST /v1/x"]
    assert (route.cost, route.pricing, route.settlement) == (least, pricing, None)


@pytest.mark.parametrize(
    ("cost", "hold", "settlement"),
    [
        ("{response_header: Guard-Cost, hold: 5, max: 100}", 5, Settlement(b"guard-cost", 100)),
        ("{hold: 3, on_success: 0}", 3, Settlement(None, 3, 0)),
    ],
)
def test_a_cost_is_held_until_the_answer_tells_it(cost: str, hold: int, settlement: Settlement) -> None:
    route = routes(with_cost(cost))["POST /v1/x"]
    assert (route.cost, route.pricing, route.settlement) == (hold, None, settlement)


def test_a_constant_cost_is_an_integer_and_nothing_else() -> None:
    for cost in ("7", "{hold: 7}"):
        route = routes(with_cost(cost))["POST /v1/x"]
        assert (route.cost, route.pricing, route.settlement) == (7, None, None)


@pytest.mark.parametrize(
    ("cost", "fault"),
    [
        ("{}", ("P105", 6, "the cost does not say how it is told")),
        ("{each: 2}", ("P105", 6, "the cost does not say how it is told")),
        ("{items: /orders}", ("P105", 6, "the field `max` is missing")),
        ("{query: limit, steps: {9: 1}}", ("P105", 6, "the field `default` is missing")),
        ("{response_header: Guard-Cost, max: 9}", ("P105", 6, "the field `hold` is missing")),
        ("{on_success: 0}", ("P105", 6, "the field `hold` is missing")),
        ("{items: /a, max: 9, default: 1}", ("P110", 6, "`items` and `default` do not go together")),
        ("{items: /a, max: 9, hold: 1}", ("P110", 6, "`items` and `hold` do not go together")),
        ("{hold: 1, on_success: 2}", ("P107", 6, "must be at most what is held")),
        ("{field: '', default: 1, steps: {9: 1}}", ("P106", 6, "the whole document is no number")),
    ],
)
def test_a_cost_is_told_in_one_way_and_whole(cost: str, fault: tuple[str, int, str]) -> None:
    assert told(with_cost(cost)) == [fault]


def test_two_steps_to_one_number_are_one_key_twice() -> None:
    assert [code for code, _, _ in told(with_cost("{query: a, default: 1, steps: {9: 1, '9': 2}}"))] == ["Y004"]


@pytest.mark.parametrize("cost", ["{items: /orders, max: 9}", "{field: /depth, default: 1, steps: {9: 1}}"])
def test_a_body_that_is_not_read_tells_no_cost(cost: str) -> None:
    (fault,) = found(with_cost(cost, more=", auth: none, reads: true").replace("POST", "GET"))
    assert (fault.code, fault.help) == ("P308", "tell the cost by `query`, or in one number")


@pytest.mark.parametrize(
    ("cost", "most"),
    [
        ("{items: /orders, each: 2, base: 1, per: 40, max: 81}", 7),
        ("{query: limit, default: 60, steps: {100: 5, 500: 25}}", 60),
        ("{field: /limit, default: 6, steps: {100: 70, 500: 25}}", 70),
        ("{response_header: Guard-Cost, hold: 5, max: 90}", 90),
        ("{hold: 3, on_success: 0}", 3),
        ("4", 4),
    ],
)
def test_the_most_that_a_request_can_cost_is_known(cost: str, most: int) -> None:
    assert told(with_cost(cost).replace("100/s", f"{most}/s")) == []
    (fault,) = told(with_cost(cost).replace("100/s", f"{most - 1}/s"))
    message = f"a cost of {most} can never be paid: the bucket of `key` holds {most - 1}"
    assert fault == ("P303", 6, message)


def test_only_a_cost_that_its_head_tells_is_known_before_anything_is_verified() -> None:
    def known(cost: str) -> bool:
        parts: dict[str, object] = {
            "constant": 5,
            "query": {"query": "limit", "default": 1, "steps": {"9": 1}},
            "items": {"items": "/a", "max": 9},
            "settled": {"hold": 1, "on_success": 0},
        }
        return costing(RoutePart.model_validate({"cost": parts[cost]}).cost).known_before_auth

    assert [known(cost) for cost in ("constant", "query", "items", "settled")] == [True, True, False, False]
