"""Other routes in the same tree."""

from msgspec import structs

from guard.model.policy import Route
from guard.policy.rerouting import with_routes
from tests.build import route, service

_SERVICE = service(route("GET", "/v1/time"), route("POST", "/v1/{id}/deep"), route("GET", "/v1/{rest...}"))


def test_where_no_route_changes_the_service_is_the_same() -> None:
    assert with_routes(_SERVICE, lambda each: each) is _SERVICE


def test_each_route_is_changed_wherever_it_stands_and_the_others_are_the_same() -> None:
    def dearer(each: Route) -> Route:
        return structs.replace(each, cost=7) if each.method == "GET" else each

    before = {each.name: each for each in _SERVICE.routes.routes()}
    after = {each.name: each for each in with_routes(_SERVICE, dearer).routes.routes()}
    assert {name: each.cost for name, each in after.items()} == {
        "GET /v1/time": 7,
        "POST /v1/{id}/deep": 1,
        "GET /v1/{rest...}": 7,
    }
    assert after["POST /v1/{id}/deep"] is before["POST /v1/{id}/deep"]


def test_a_route_that_stands_in_the_tree_twice_is_changed_once() -> None:
    one = route("GET", "/v1/time")
    twice = structs.replace(_SERVICE, routes=structs.replace(_SERVICE.routes, here={"GET": one, "HEAD": one}))
    after = with_routes(twice, lambda each: structs.replace(each, cost=7)).routes.here
    assert after["GET"] is after["HEAD"]
