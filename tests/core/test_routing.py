"""Which service and route a message is for."""

import pytest

from guard.core.routing import route_for, service_for
from guard.model.decision import Deny
from guard.model.policy import Route, RouteNode, Service
from tests.build import policies, route, service


def _tree() -> Service:
    time = route("GET", "/v1/time")
    order = route("GET", "/v1/orders/{id}")
    rest = route("GET", "/v1/{rest...}", name="rest")
    every = route("ANY", "/v1/any", name="any")
    secret = route("GET", "/v1/deep/secret", name="secret")
    return service(
        routes=RouteNode(
            literals={
                b"v1": RouteNode(
                    literals={
                        b"time": RouteNode(here={"GET": time, "HEAD": time}),
                        b"orders": RouteNode(variable=RouteNode(here={"GET": order})),
                        b"any": RouteNode(here={"ANY": every}),
                        b"deep": RouteNode(
                            literals={b"secret": RouteNode(here={"GET": secret})}, folded=frozenset({b"secret"})
                        ),
                    },
                    folded=frozenset({b"time", b"orders", b"any", b"deep"}),
                    rest={"GET": rest},
                )
            },
            folded=frozenset({b"v1"}),
        )
    )


def _name(verb: str, path: bytes) -> str:
    found = route_for(_tree(), verb, path)
    return found.name if isinstance(found, Route) else found.code


@pytest.mark.parametrize(
    ("verb", "path", "name"),
    [
        ("GET", b"/v1/time", "GET /v1/time"),
        ("HEAD", b"/v1/time", "GET /v1/time"),
        ("GET", b"/v1/orders/7", "GET /v1/orders/{id}"),
        ("GET", b"/v1/depth", "rest"),
        ("GET", b"/v1/depth/of/it", "rest"),
        ("DELETE", b"/v1/any", "any"),
        ("GET", b"/v1/deep/secret", "secret"),
        ("GET", b"/v1/deep/other", "rest"),
        ("GET", b"/v2", "route.unknown"),
        ("GET", b"/", "route.unknown"),
        ("POST", b"/v1/orders/7", "route.method"),
    ],
)
def test_the_most_specific_template_wins(verb: str, path: bytes, name: str) -> None:
    assert _name(verb, path) == name


@pytest.mark.parametrize("path", [b"/v1/TIME", b"/V1/time", b"/v1/Orders/7", b"/v1/tIme", b"/v1/deep/Secret"])
def test_a_spelling_that_differs_in_case_alone_reaches_no_laxer_route(path: bytes) -> None:
    assert _name("GET", path) == "route.unknown"


@pytest.mark.parametrize("path", [b"/v1/orders/", b"/v1/time/", b"/v1/"])
def test_a_trailing_slash_reaches_no_route_that_is_written_without_one(path: bytes) -> None:
    assert _name("GET", path) == "route.unknown"


@pytest.mark.parametrize("verb", ["TRACE", "CONNECT", "BREW", "get", ""])
def test_any_covers_no_method_that_a_backend_may_take_for_something_else(verb: str) -> None:
    assert _name(verb, b"/v1/any") == "route.method"


def test_a_method_that_the_path_does_not_have_is_told_which_it_has() -> None:
    denied = route_for(_tree(), "POST", b"/v1/time")
    assert isinstance(denied, Deny)
    assert denied.allow == ("GET", "HEAD")


def test_the_methods_of_any_are_written_out() -> None:
    denied = route_for(_tree(), "TRACE", b"/v1/any")
    assert isinstance(denied, Deny)
    assert denied.allow == ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def _service(authority: bytes, path: bytes = b"/v1/x") -> str:
    found = service_for(
        policies(
            service(name="any", prefix=b"/v1"),
            service(name="named", hosts=frozenset({b"api.test", b"[::1]"})),
        ),
        authority,
        path,
    )
    return found.name if isinstance(found, Service) else found.code


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        (b"api.test", "named"),
        (b"API.test:8080", "named"),
        (b"[::1]:8080", "named"),
        (b"[::1]", "named"),
        (b"other.test", "any"),
        (b"api.test.", "named"),
        (b"api.test.:8080", "named"),
    ],
)
def test_a_service_that_names_the_authority_beats_one_that_serves_any(authority: bytes, name: str) -> None:
    assert _service(authority) == name


@pytest.mark.parametrize(("path", "name"), [(b"/v1", "any"), (b"/v10", "route.unknown"), (b"/", "route.unknown")])
def test_a_prefix_ends_at_a_segment(path: bytes, name: str) -> None:
    assert _service(b"other.test", path) == name


def test_an_authority_that_nobody_serves_is_misdirected() -> None:
    denied = service_for(policies(service(hosts=frozenset({b"api.test"}))), b"other.test", b"/v1/x")
    assert isinstance(denied, Deny)
    assert denied.code == "request.misdirected"
