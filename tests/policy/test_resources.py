"""Resources of a policy: where each route tells them, and what leads nowhere."""

import pytest

from guard.model.resources import ANY, InBody, InItems, InPath, InQuery
from tests.policy_text import found, policy, routes, told

BOTH = "resources: {symbol: [{query: symbol}, {path: symbol}]}"


def written(*lines: str, resources: str = BOTH) -> str:
    return policy(resources, routes="routes:\n  GET /v1/x: {}\n" + "".join(f"  {line}\n" for line in lines))


def test_a_route_has_the_services_places_that_it_has_and_its_own_in_place_of_them() -> None:
    found = routes(
        written(
            "GET /v1/{symbol}/y: {}",
            "POST /v1/y: {resources: {symbol: {field: /symbol}}}",
            "POST /v1/z: {resources: {symbol: {items: /orders, field: /symbol}}}",
            "GET /v1/any: {resources: {symbol: any}}",
        )
    )
    assert {name: route.resources["symbol"] for name, route in found.items()} == {
        "GET /v1/x": (InQuery("symbol"),),
        "GET /v1/{symbol}/y": (InQuery("symbol"), InPath("symbol", 1)),
        "POST /v1/y": (InBody(("symbol",)),),
        "POST /v1/z": (InItems(("orders",), ("symbol",)),),
        "GET /v1/any": ANY,
    }


def test_a_route_without_the_services_place_tells_nothing() -> None:
    found = routes(written("GET /v1/{symbol}: {}", resources="resources: {symbol: {path: symbol}}"))
    assert found["GET /v1/x"].resources == {}


@pytest.mark.parametrize(
    ("route", "fault"),
    [
        ("GET /v1/y: {resources: {symbl: any}}", ("P217", 7, "no resource `symbl` is declared")),
        (
            "GET /v1/y: {auth: none, resources: {symbol: any}}",
            ("P312", 7, "on a route that is open to anyone no key is kept to anything"),
        ),
        (
            "GET /v1/y: {resources: {symbol: {field: /symbol}}}",
            ("P312", 7, "a request of this method has no body"),
        ),
        (
            "GET /v1/y/{rest...}: {resources: {symbol: {path: rest}}}",
            ("P218", 7, "the path has no segment `{rest}`"),
        ),
        (
            "GET /v1/{symbol}: {schemes: [binance]}",
            ("P313", 7, "`symbol` stands in the path, which `binance` does not sign"),
        ),
        ("GET /v1/{symbol}: {schemes: [api-key]}", None),
        ("GET /v1/y: {schemes: [binance]}", None),
        ("GET /v1/{symbol}: {schemes: [binance], resources: {symbol: {query: symbol}}}", None),
    ],
)
def test_a_resource_that_a_route_cannot_tell(route: str, fault: tuple[str, int, str] | None) -> None:
    assert told(written(route)) == ([] if fault is None else [fault])


def test_a_misspelt_resource_is_guessed() -> None:
    (fault,) = found(written("GET /v1/y: {resources: {symbl: any}}"))
    assert fault.help == "did you mean `symbol`?"


def test_a_service_says_where_a_resource_stands() -> None:
    fault = ("P105", 4, "the policy does not say where it stands")
    assert told(written(resources="resources: {symbol: any}"))[0] == fault


def test_a_resource_that_no_signed_route_tells_is_a_warning() -> None:
    message = "no route tells `symbol`: keys that are kept to some of it do nothing here"
    text = policy("resources: {symbol: {path: symbol}}", routes="routes:\n  GET /v1/{symbol}: {auth: none}\n")
    assert told(text) == [("P218", 4, message)]
    assert routes(text)


@pytest.mark.parametrize("value", ["{header: X-Symbol}", "all", "[]", "{query: a, field: /b}"])
def test_places_are_a_closed_set(value: str) -> None:
    assert [fault.line for fault in found(written(resources=f"resources: {{symbol: {value}}}"))] == [4]
