"""May this address ask at all?"""

import pytest

from guard.model.policy import ClientAddressPolicy
from guard.model.questions import Granted, Reading, Short, Unavailable
from guard.model.requirements import RouteNetworks
from tests.build import NOW, facts, limit, policies, route, rule, service, signed
from tests.line import code, decided


@pytest.mark.parametrize(
    ("allow", "deny", "expected"),
    [
        ((), (), "allow"),
        ((), ("192.0.2.1/32",), "abuse.address_denied"),
        (("192.0.2.0/24",), (), "allow"),
        (("198.51.100.0/24",), (), "abuse.address_denied"),
        (("192.0.2.0/24",), ("192.0.2.1/32",), "abuse.address_denied"),
    ],
)
def test_the_policy_says_which_addresses_may_ask(allow: tuple[str, ...], deny: tuple[str, ...], expected: str) -> None:
    listed = ClientAddressPolicy(rule=rule("client_ip"), allow=allow, deny=deny)
    assert code(decided(signed(), rules=policies(service(client_ip=listed)), body=b"")) == expected


@pytest.mark.parametrize(
    ("allow", "expected"),
    [
        (("192.0.2.0/24",), "allow"),
        (("198.51.100.0/24", "192.0.2.1/32"), "allow"),
        (("198.51.100.0/24",), "abuse.address_denied"),
        (("2001:db8::/32",), "abuse.address_denied"),
    ],
)
def test_a_route_is_used_from_its_networks_only_whoever_asks(allow: tuple[str, ...], expected: str) -> None:
    narrowed = route(networks=RouteNetworks(rule("routes.POST /v1/orders.allow_ips"), allow))
    assert code(decided(signed(), rules=policies(service(narrowed)), body=b"")) == expected


def test_a_routes_networks_are_asked_before_the_claim_is_read() -> None:
    narrowed = route(networks=RouteNetworks(rule(), ("198.51.100.0/24",)))
    assert code(decided(facts("POST"), rules=policies(service(narrowed)))) == "abuse.address_denied"


def test_the_address_behind_our_proxy_is_the_one_that_a_route_asks_for() -> None:
    narrowed = route(networks=RouteNetworks(rule(), ("198.51.100.7/32",)))
    behind = policies(service(narrowed, client_ip=ClientAddressPolicy(rule=rule(), trust=("192.0.2.0/24",))))
    said = ((b"x-forwarded-for", b"198.51.100.7"),)
    assert code(decided(signed(fields=said), rules=behind, body=b"")) == "allow"
    assert code(decided(signed(fields=said), rules=policies(service(narrowed)), body=b"")) == "abuse.address_denied"


def test_an_address_without_room_is_refused_before_its_key_is_looked_at() -> None:
    reading = Reading(limit("ip", per=("ip",)), 0, 50, 50, short=True, cost=1)
    full = Short(now=NOW, readings=(reading,))
    assert code(decided(signed(), key=Unavailable("keys"), room=full)) == "limit.ip"


def test_an_address_without_room_is_refused_also_where_that_is_known_only_at_the_end() -> None:
    reading = Reading(limit("ip", per=("ip",)), 0, 50, 50, short=True, cost=1)
    assert code(decided(signed(), body=b"", late_room=Short(now=NOW, readings=(reading,)))) == "limit.ip"
    assert code(decided(signed(), body=b"", late_room=Unavailable("limits"))) == "store.unavailable"
    assert code(decided(signed(), body=b"", late_room=Granted(now=NOW, readings=()))) == "allow"


def test_an_address_without_room_is_refused_before_its_claim_is_read() -> None:
    full = Short(now=NOW, readings=(Reading(limit("ip", per=("ip",)), 0, 50, 50, short=True, cost=1),))
    assert code(decided(facts("POST"), room=full)) == "limit.ip"
    assert code(decided(facts("POST"))) == "auth.missing"


def test_no_answer_about_the_address_is_no_permission() -> None:
    assert code(decided(signed(), room=Unavailable("limits"))) == "store.unavailable"
