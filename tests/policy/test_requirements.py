"""What a route asks for beside a key with its scope, and from where it may be used."""

import pytest

from guard.model.requirements import Requirement, RouteNetworks
from guard.model.rules import Mode, Rule
from tests.build import facts
from tests.line import code, decided
from tests.policy_text import loaded, policy, routes, told

ROUTE = "routes:\n  POST /w:\n    scope: withdraw\n    {}\n"


def _networks(*parts: str, more: str = "allow_ips: [203.0.113.0/24]") -> RouteNetworks | None:
    return routes(policy(*parts, routes=ROUTE.format(more)))["POST /w"].networks


def test_what_a_route_requires_is_read() -> None:
    required = routes(policy(routes=ROUTE.format("require: [mtls, key_ip_allowlist]")))["POST /w"].require
    assert required == (Requirement.MTLS, Requirement.KEY_IP_ALLOWLIST)


def test_the_networks_of_a_route_are_a_rule_with_its_place() -> None:
    rule = Rule("routes.POST /w.allow_ips", "p0.yaml", 7, Mode.ENFORCE)
    assert _networks() == RouteNetworks(rule, ("203.0.113.0/24",))
    assert _networks(more="group: x") is None


@pytest.mark.parametrize(
    ("file", "route", "mode"),
    [("enforce", "enforce", "enforce"), ("shadow", "enforce", "shadow"), ("enforce", "shadow", "shadow")],
)
def test_the_file_and_the_route_lower_it(file: str, route: str, mode: str) -> None:
    found = _networks(f"mode: {file}", more=f"allow_ips: [203.0.113.0/24]\n    mode: {route}")
    assert found is not None
    assert found.rule.mode == mode


def test_a_route_that_is_off_has_no_networks() -> None:
    assert _networks(more="allow_ips: [203.0.113.0/24]\n    mode: off") is None


def test_auth_in_shadow_opens_no_network() -> None:
    text = policy(
        "auth: {mode: shadow, allow_unauthenticated: true}", routes=ROUTE.format("allow_ips: [203.0.113.0/24]")
    )
    assert code(decided(facts(path=b"/w"), rules=loaded(text).policies)) == "abuse.address_denied"


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("require: [mtls, mtls]", ("P110", 7, "`mtls` is named twice")),
        ("require: [mlts]", ("P102", 7, "`mlts` is not one of key_ip_allowlist, mtls, idempotency_key")),
        ("require: []", ("P107", 7, "must have at least 1 entries")),
        ("allow_ips: [10.0.0.1/8]", ("P108", 7, "`10.0.0.1/8` is not a network")),
    ],
)
def test_what_is_wrong_with_them_is_told(route: str, expected: tuple[str, int, str]) -> None:
    assert told(policy(routes=ROUTE.format(route))) == [expected]


def test_an_open_route_has_no_key_that_could_be_bound() -> None:
    text = policy(routes="routes:\n  GET /x: {auth: none, require: [key_ip_allowlist]}\n")
    message = "`auth: none` opens the route to anyone, so there is no key to be bound to networks"
    assert told(text) == [("P110", 5, message)]
