"""A cost that cannot be told is refused, after it was paid."""

from typing import Any

from guard.core.stages import Allow
from guard.model.decision import Deny
from guard.model.pricing import ByItems, ByParameter, Steps
from guard.model.questions import Reading, Short
from guard.model.rules import Mode
from tests.build import NOW, limit, policies, route, rule, service, signed
from tests.line import code, decided

BATCH = ByItems(pointer=("orders",), each=1, base=0, per=1, items_max=2)
JSON = ((b"content-type", b"application/json"),)


def _decided(body: bytes, **changes: Any) -> Allow | Deny:
    rules = policies(service(route(pricing=BATCH, limits_principal=(limit(),), **changes.pop("of_route", {}))))
    return decided(signed(body=body, fields=JSON), rules=rules, body=body, **changes)


def test_a_body_that_can_be_counted_passes_with_its_price() -> None:
    allowed = _decided(b'{"orders": [1, 2]}')
    assert isinstance(allowed, Allow)
    assert allowed.verified.cost == 2


def test_a_body_that_cannot_be_counted_is_refused_by_its_route() -> None:
    denied = _decided(b'{"orders": [1, 2, 3]}')
    assert isinstance(denied, Deny)
    assert (denied.code, denied.detail) == ("request.too_many_items", "at most 2 items at /orders")
    assert denied.rule == rule("routes.POST /v1/orders")


def test_nobody_is_told_what_is_wrong_with_a_body_that_has_not_paid() -> None:
    assert code(_decided(b"{", receipt=Short(NOW, (Reading(limit(), 0, 9, 9, short=True, cost=1),)))) == "limit.key"


def test_a_route_in_shadow_lets_it_pass() -> None:
    allowed = _decided(b"{", of_route={"rule": rule(mode=Mode.SHADOW)})
    assert isinstance(allowed, Allow)
    assert [would.code for would in allowed.shadow] == ["request.bad_body"]


def test_a_cost_that_the_query_does_not_tell_is_refused_on_an_open_route_too() -> None:
    by_query = ByParameter(b"limit", Steps(1, ((9, 1),)))
    rules = policies(service(route(auth=None, scope=None, pricing=by_query)))
    assert code(decided(signed(query=b"limit=10"), rules=rules)) == "request.malformed"
    assert code(decided(signed(query=b"limit=9"), rules=rules)) == "allow"
