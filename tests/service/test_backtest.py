"""The requests of a log, judged again."""

from typing import Any

import pytest

from guard.model.names import Address, UnixMs
from guard.model.policy import PolicySet
from guard.model.pricing import ByItems
from guard.model.rules import Mode
from guard.service.backtest import Backtest
from guard.wire.access_log import LogLine
from tests.build import NOW, auth, limit, policies, route, service, slots


def line(at_ms: int = 0, **changes: Any) -> LogLine:
    fields: dict[str, Any] = {"verb": "POST", "authority": b"", "path": b"/v1/orders", "service": "exchange"}
    fields |= {"ip": Address("192.0.2.1"), "key": "gk_1", "account": "acme", "outcome": "allow"}
    return LogLine(at=UnixMs(NOW + at_ms), **{**fields, **changes})


def limited(*, mode: Mode = Mode.ENFORCE) -> PolicySet:
    """Two tokens for a key, one back each second; an open route with three for each address."""
    per_key, per_ip = limit("key", capacity=2, mode=mode), limit("ip", capacity=3, per=("ip",))
    return policies(
        service(
            route(auth=auth(), limits_principal=(per_key, slots())),
            route("GET", "/v1/time", auth=None, scope=None, limits_address=(per_ip,)),
        )
    )


def said(rules: PolicySet, *lines: LogLine) -> list[str]:
    backtest = Backtest(rules)
    return [backtest.judge(each).code for each in lines]


def test_limits_count_by_the_clock_of_the_log() -> None:
    codes = said(limited(), *(line(at_ms) for at_ms in (0, 0, 1, 999, 1000, 1001)))
    assert codes == ["allow", "allow", "limit.key", "limit.key", "allow", "limit.key"]


def test_lines_out_of_order_give_no_time_back() -> None:
    assert said(limited(), line(5000), line(0), line(1000), line(4999)) == ["allow", "allow", "limit.key", "limit.key"]


def test_each_key_and_each_address_has_its_own_meter() -> None:
    assert said(limited(), *(line(key=f"gk_{n % 2}") for n in range(5))) == ["allow"] * 4 + ["limit.key"]
    asked = [
        line(verb="GET", path=b"/v1/time", key=None, account=None, ip=Address(f"192.0.2.{n % 2}")) for n in range(7)
    ]
    assert said(limited(), *asked) == ["allow"] * 6 + ["limit.ip"]


@pytest.mark.parametrize("outcome", ["auth.replayed", "authz.scope"])
def test_what_only_a_signature_can_tell_is_taken_from_the_log_and_spends_nothing(outcome: str) -> None:
    refused = [line(outcome=outcome)] * 5
    assert said(limited(), *refused, line(), line()) == [outcome] * 5 + ["allow", "allow"]


def test_a_route_that_is_open_now_asks_for_no_credentials() -> None:
    assert said(limited(), line(verb="GET", path=b"/v1/time", outcome="auth.missing")) == ["allow"]


@pytest.mark.parametrize("outcome", ["gateway.overloaded", "store.unavailable", "request.too_large", "abuse.ban"])
def test_what_came_of_circumstances_comes_again(outcome: str) -> None:
    assert said(limited(), line(outcome=outcome)) == [outcome]


def test_what_was_limited_may_pass_now_and_what_has_no_route_now_does_not() -> None:
    assert said(limited(), line(outcome="limit.weight")) == ["allow"]
    assert said(limited(), line(path=b"/v2/orders"), line(verb="PUT")) == ["route.unknown", "route.method"]
    assert said(limited(), line(path=None, outcome="route.unknown")) == ["route.unknown"]


def test_a_limit_in_shadow_is_told_apart_and_lets_pass() -> None:
    backtest = Backtest(limited(mode=Mode.SHADOW))
    verdicts = [backtest.judge(line()) for _ in range(3)]
    assert [(verdict.code, verdict.shadow) for verdict in verdicts] == [
        ("allow", ()),
        ("allow", ()),
        ("allow", ("limit.key",)),
    ]


def test_no_limit_hides_what_another_in_shadow_would_refuse() -> None:
    per_ip, per_key = (limit(name, per=(name,), capacity=1, mode=Mode.SHADOW) for name in ("ip", "key"))
    enforced = limit("account", per=("account",), capacity=2)
    rules = policies(service(route(auth=auth(), limits_address=(per_ip,), limits_principal=(per_key, enforced))))
    backtest = Backtest(rules)
    verdicts = [backtest.judge(line()) for _ in range(3)]
    assert [(verdict.code, verdict.shadow) for verdict in verdicts] == [
        ("allow", ()),
        ("allow", ("limit.ip", "limit.key")),
        ("limit.account", ("limit.ip", "limit.key")),
    ]


def test_a_service_is_found_by_its_name_where_it_answers_to_hosts() -> None:
    named = policies(service(route(auth=None, scope=None), hosts=frozenset({b"api.example.com"})))
    assert said(named, line()) == ["allow"]
    assert said(named, line(service=None, authority=b"other.example.com")) == ["request.misdirected"]


def test_a_log_begins_with_full_meters_and_a_verdict_shows_how_full_they_are() -> None:
    verdict = Backtest(limited()).judge(line())
    assert [(reading.limit.name, reading.remaining) for reading in verdict.readings] == [("key", 1)]


def test_a_cost_that_only_a_body_tells_is_taken_from_the_log() -> None:
    items = ByItems(pointer=("orders",), base=0, each=1, per=1, items_max=40)
    rules = policies(service(route(auth=auth(), pricing=items, limits_principal=(limit("key", capacity=5),))))
    assert said(rules, line(cost=3), line(cost=3), line(cost=2)) == ["allow", "limit.key", "allow"]


def test_a_constant_cost_is_that_of_the_policy_whatever_it_was() -> None:
    rules = policies(service(route(auth=auth(), cost=2, limits_principal=(limit("key", capacity=5),))))
    assert said(rules, line(cost=1), line(cost=1), line(cost=1)) == ["allow", "allow", "limit.key"]
