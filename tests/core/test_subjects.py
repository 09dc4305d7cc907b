"""Whose bucket does a limit count?"""

import pytest

from guard.core import decide
from guard.core.stages import Entered, Identified, Routed
from guard.core.subjects import debits
from guard.model.keys import KeyRecord
from guard.model.names import AccountId, Address, KeyId
from guard.model.rules import Mode
from tests.build import NOW, facts, limit, policies, record, route, service, signed, slots
from tests.line import SCHEMES


def _identified(peer: str = "192.0.2.1", *, open_route: bool = False, cost: int = 1) -> Identified:
    message = facts(peer=Address(peer)) if open_route else signed(peer=Address(peer))
    rules = policies(service(route(auth=None, scope=None)) if open_route else service(route(cost=cost)))
    routed = decide.route(rules, message)
    assert isinstance(routed, Routed)
    entered = decide.enter(routed, None)
    assert isinstance(entered, Entered)
    identified = decide.identify(entered, SCHEMES, NOW)
    assert isinstance(identified, Identified)
    return identified


def _bucket(dimension: str, key: KeyRecord | None = None, peer: str = "192.0.2.1") -> tuple[str, ...]:
    [debit] = debits(_identified(peer), key, (limit("x", per=(dimension,)),))
    return debit.bucket


@pytest.mark.parametrize(
    ("dimension", "expected"),
    [
        ("ip", ("exchange", "x", "ip", "192.0.2.1")),
        ("key", ("exchange", "x", "key", "gk_first")),
        ("account", ("exchange", "x", "account", "acme")),
        ("route", ("exchange", "x", "route", "POST /v1/orders")),
        ("service", ("exchange", "x", "service", "exchange")),
    ],
)
def test_each_dimension_names_its_subject(dimension: str, expected: tuple[str, ...]) -> None:
    assert _bucket(dimension, record(lineage=KeyId("gk_first"))) == expected


def test_a_rotated_key_keeps_the_bucket_of_its_lineage() -> None:
    successor = record(id=KeyId("gk_second"), lineage=KeyId("gk_first"))
    assert _bucket("key", successor) == _bucket("key", record(id=KeyId("gk_first"), lineage=KeyId("gk_first")))


@pytest.mark.parametrize("dimension", ["key", "account"])
def test_who_has_no_key_is_counted_by_address_and_never_unlimited(dimension: str) -> None:
    assert _bucket(dimension) == ("exchange", "x", "anonymous", "192.0.2.1")


def test_a_key_that_is_named_like_an_address_does_not_share_its_bucket() -> None:
    named = record(lineage=KeyId("192.0.2.1"), account=AccountId("192.0.2.1"))
    assert _bucket("key", named) != _bucket("key")


def test_all_addresses_of_one_ipv6_network_share_one_bucket() -> None:
    assert _bucket("ip", peer="2001:db8::1") == _bucket("ip", peer="2001:db8::ffff:1")
    assert _bucket("ip", peer="2001:db8::1") != _bucket("ip", peer="2001:db8:0:1::1")


def test_a_limit_with_a_cost_of_its_own_takes_that_instead_of_the_routes() -> None:
    identified = _identified()
    own = type(limit())(name="x", rule=limit().rule, meter=limit().meter, per=("key",), cost=7)
    assert [debit.cost for debit in debits(identified, None, (own, limit()))] == [7, 1]


def test_a_limit_of_slots_takes_one_whatever_the_route_costs() -> None:
    asked = debits(_identified(cost=5), None, (slots(), slots(cost=7), limit()))
    assert [debit.cost for debit in asked] == [1, 1, 5]


def test_a_shadow_limit_asks_without_a_veto_and_one_that_is_off_does_not_ask() -> None:
    asked = debits(_identified(), None, (limit("a", mode=Mode.SHADOW), limit("b", mode=Mode.OFF), limit("c")))
    assert [(debit.limit.name, debit.vetoes) for debit in asked] == [("a", False), ("c", True)]
