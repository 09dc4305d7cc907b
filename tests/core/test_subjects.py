"""Whose bucket does a limit count?"""

from typing import Any

import msgspec
import pytest

from guard.core import decide
from guard.core.stages import Allow, Entered, Identified, Routed
from guard.core.subjects import debits, due
from guard.model.keys import KeyRecord
from guard.model.names import AccountId, Address, KeyId
from guard.model.policy import Limit
from guard.model.rules import Mode
from tests.build import NOW, facts, limit, policies, record, route, service, signed, slots
from tests.line import SCHEMES, decided


def _identified(peer: str = "192.0.2.1", *, open_route: bool = False, body: bytes = b"", **changes: Any) -> Identified:
    message = facts(peer=Address(peer)) if open_route else signed(peer=Address(peer), body=body)
    rules = policies(service(route(auth=None, scope=None, **changes) if open_route else route(**changes)))
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
        ("group", ("exchange", "x", "route", "POST /v1/orders")),
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
    asked = debits(_identified(cost=5), None, (slots(), limit()))
    assert [debit.cost for debit in asked] == [1, 5]


def test_a_shadow_limit_asks_without_a_veto_and_one_that_is_off_does_not_ask() -> None:
    asked = debits(_identified(), None, (limit("a", mode=Mode.SHADOW), limit("b", mode=Mode.OFF), limit("c")))
    assert [(debit.limit.name, debit.vetoes) for debit in asked] == [("a", False), ("c", True)]


def test_routes_of_a_group_share_a_bucket_and_no_route_is_named_like_a_group() -> None:
    by_group = (limit("x", per=("group",)),)
    [one] = debits(_identified(group="orders"), None, by_group)
    assert one.bucket == ("exchange", "x", "group", "orders")


def test_keys_of_a_tier_with_a_rate_of_its_own_count_apart() -> None:
    of_tier = msgspec.structs.replace(limit("x", per=("account",)), tier="maker")
    [apart] = debits(_identified(), record(), (of_tier,))
    assert apart.bucket == ("exchange", "x", "tier", "maker", "account", "acme")


def test_a_limit_of_bytes_takes_those_of_the_body() -> None:
    of_bytes = (msgspec.structs.replace(limit("x", per=("ip",)), of_bytes=True),)
    assert [debit.cost for debit in debits(_identified(cost=5), None, of_bytes, 7, 123)] == [123]
    assert [debit.cost for debit in debits(_identified(), None, of_bytes, 7, 0)] == [0]


def test_of_a_body_that_streams_what_it_announces_counts_and_else_the_most_that_it_may_have() -> None:
    of_bytes = (msgspec.structs.replace(limit("x", per=("ip",)), of_bytes=True),)
    assert [debit.cost for debit in debits(_identified(body=b"12345"), None, of_bytes)] == [5]
    assert [debit.cost for debit in debits(_identified(open_route=True), None, of_bytes)] == [1024]


def test_what_is_kept_in_reserve_must_be_left_by_all_but_critical_routes_and_by_what_costs_nothing() -> None:
    kept = msgspec.structs.replace(limit("x"), reserve=4)
    assert [debit.spare for debit in debits(_identified(), None, (kept, limit()))] == [4, 0]
    assert [debit.spare for debit in debits(_identified(critical=True), None, (kept,))] == [0]
    assert [debit.spare for debit in debits(_identified(), None, (kept,), 0)] == [0]


def test_the_limits_of_a_key_are_those_of_its_tier() -> None:
    base, maker, other = limit("key", capacity=1), limit("key", capacity=2), limit("other")
    rules = policies(
        service(route(limits_principal=(base, other), limits_by_tier={"maker": (maker, other)}, scope=None))
    )

    def charged(tier: str | None) -> list[Limit]:
        allowed = decided(signed(), rules=rules, key=record(tier=tier), body=b"")
        assert isinstance(allowed, Allow)
        return [debit.limit for debit in due(allowed.verified)]

    assert charged("maker") == [maker, other]
    assert charged(None) == charged("retail") == [base, other]


def test_who_has_no_key_pays_at_most_what_a_bucket_of_keys_holds_but_for_its_reserve() -> None:
    dear, message = limit("key", capacity=10), _identified(open_route=True, cost=50)
    assert [debit.cost for debit in debits(message, None, (dear,))] == [10]
    kept = msgspec.structs.replace(dear, reserve=4)
    assert [debit.cost for debit in debits(message, None, (kept,))] == [6]
    assert [debit.cost for debit in debits(message, record(), (dear,))] == [50]
    by_address = limit("ip", capacity=10, per=("ip",))
    assert [debit.cost for debit in debits(message, None, (by_address,))] == [50]
