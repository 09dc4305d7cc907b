"""Whose score does a message count to? Never that of somebody who was only named."""

from typing import Any

import pytest
from msgspec import structs

from guard.model.abuse import Distinct, Ratio, ScoreKind, Signal, SubjectKind
from guard.model.decision import About, Deny
from guard.model.names import AccountId, Address, KeyId, RequestId
from guard.model.policy import ClientAddressPolicy, Service
from guard.model.rules import Mode
from guard.service.judge import Judgement
from guard.service.sightings import Event, Watched, concerns, holder_of, sightings_of, watched
from tests.build import KEY_ID, abuse, record, rule, service, signal, signed
from tests.line import head_of


def _event(of: Service | None = None, address: str = "192.0.2.1", **changes: Any) -> Event:
    fields: dict[str, Any] = {"route": "POST /v1/orders", "holder": record(), "claimed": "gk_claimed"}
    return Event(of or service(), Address(address), RequestId("req_1"), **{**fields, **changes})


@pytest.mark.parametrize(
    ("per", "names"),
    [
        (SubjectKind.IP, ("192.0.2.1", "192.0.2.0/24", "192.0.0.0/16", "192.0.0.0/8")),
        (SubjectKind.KEY, ("gk_test",)),
        (SubjectKind.ACCOUNT, ("acme",)),
    ],
)
def test_each_kind_of_subject_has_its_names(per: SubjectKind, names: tuple[str, ...]) -> None:
    [seen] = sightings_of([signal(per=per)], abuse(), _event())
    assert (seen.names, seen.service, seen.request_id) == (names, "exchange", "req_1")


@pytest.mark.parametrize("per", [SubjectKind.KEY, SubjectKind.ACCOUNT])
def test_a_key_that_was_only_claimed_is_counted_to_nobody(per: SubjectKind) -> None:
    assert list(sightings_of([signal(per=per)], abuse(), _event(holder=None))) == []


@pytest.mark.parametrize(("account", "is_proved"), [(None, False), (AccountId("acme"), True)])
def test_a_message_is_its_keys_only_once_that_is_proved(account: AccountId | None, is_proved: bool) -> None:  # noqa: FBT001
    denied = Deny(code="authz.scope", about=About(KeyId(KEY_ID), "guard-v1", account))
    assert (holder_of(Judgement(outcome=denied, reached=head_of(signed()))) is not None) is is_proved


def test_a_key_is_counted_by_its_lineage() -> None:
    [seen] = sightings_of([signal(per=SubjectKind.KEY)], abuse(), _event(holder=record(lineage=KeyId("gk_first"))))
    assert seen.names == ("gk_first",)


def test_exempt_addresses_and_proxies_that_are_trusted_are_not_counted() -> None:
    exempt = abuse(exempt_ips=("192.0.2.0/24",))
    assert list(sightings_of([signal()], exempt, _event())) == []
    behind = service(client_ip=ClientAddressPolicy(rule=rule("client_ip"), trust=("192.0.2.1",)))
    assert list(sightings_of([signal()], abuse(), _event(behind))) == []


@pytest.mark.parametrize("per", [SubjectKind.KEY, SubjectKind.ACCOUNT])
@pytest.mark.parametrize("exempt", ["gk_test", "gk_first"])
def test_exempt_keys_are_not_counted_by_id_or_lineage(per: SubjectKind, exempt: str) -> None:
    holder = record(lineage=KeyId("gk_first"))
    policy = abuse(exempt_keys=frozenset({exempt}))
    assert list(sightings_of([signal(per=per)], policy, _event(holder=holder))) == []


def test_a_signal_for_some_routes_is_for_no_other() -> None:
    orders = signal(routes=frozenset({"POST /v1/orders"}))
    policy = abuse({"outcome.2xx": (orders, signal()), "auth.replayed": (orders,)})
    assert watched(policy, 2, "POST /v1/orders").signals == (orders, signal())
    assert watched(policy, 2, "GET /v1/orders").signals == (signal(),)
    assert watched(policy, "auth.replayed", "POST /v1/orders").signals == (orders,)
    assert watched(policy, "auth.replayed", "").signals == ()
    assert watched(policy, "auth.stale", "POST /v1/orders").signals == ()


def test_a_signal_that_counts_by_what_is_told_is_for_no_answer_that_tells_nothing() -> None:
    fills = signal(field=b"guard-fills")
    policy = abuse({"outcome.2xx": (fills, signal())})
    assert watched(policy, 2, "POST /v1/orders").signals == (signal(),)
    assert watched(policy, 2, "POST /v1/orders", tells=True).signals == (fills, signal())


def test_events_that_the_same_signals_are_for_are_of_one_kind_in_one_policy() -> None:
    one, other = (abuse({f"outcome.{digit}xx": (signal(),) for digit in (2, 4)}) for _ in "ab")
    kind = watched(one, 2, "POST /v1/orders")
    assert kind is watched(one, 4, "GET /v1/orders", tells=True)
    assert kind is not watched(other, 2, "POST /v1/orders")


_NETWORKS = signal("networks", distinct=Distinct.NETWORK, over_ms=64_000, at_least=5)


@pytest.mark.parametrize(
    ("signals", "again_ms"),
    [
        ((), 0),
        ((_NETWORKS,), 1000),
        ((_NETWORKS, signal("sooner", distinct=Distinct.IP, over_ms=6_400, at_least=5)), 100),
        ((_NETWORKS, signal()), 0),
        ((signal(distinct=Distinct.NETWORK),), 0),
        ((structs.replace(_NETWORKS, slower_than_ms=1),), 0),
        ((structs.replace(_NETWORKS, field=b"guard-fills"),), 0),
    ],
)
def test_an_event_is_no_news_only_where_all_count_different_values_and_nothing_else(
    signals: tuple[Signal, ...], again_ms: int
) -> None:
    assert Watched(signals).again_ms == again_ms


@pytest.mark.parametrize(("took_ms", "count"), [(999, 0), (1000, 1)])
def test_an_answer_that_came_soon_enough_is_not_slow(took_ms: int, count: int) -> None:
    assert concerns(signal(slower_than_ms=1000), _event(upstream_ms=took_ms)) == bool(count)


def test_an_answer_counts_for_what_it_tells_and_one_that_tells_nothing_on_neither_side() -> None:
    events = signal(field=b"guard-fills", ratio=Ratio(50, 1))
    beside = [signal(field=b"guard-fills", ratio=Ratio(50, 1), is_counterpart=True), events]
    found = sightings_of(beside, abuse(), _event(told={b"guard-fills": 7}))
    assert [(seen.signal.is_counterpart, seen.amount) for seen in found] == [(True, 7), (False, 1)]
    for told, counted in (({b"guard-fills": 7}, [True, True]), ({b"guard-fills": 0}, [False, True])):
        assert [concerns(each, _event(told=told)) for each in beside] == counted
    for silent in ({b"other": 7}, {}):
        assert not any(concerns(each, _event(told=silent)) for each in beside)


@pytest.mark.parametrize(
    ("mode", "tries", "scores"),
    [
        (Mode.ENFORCE, False, [ScoreKind.REAL]),
        (Mode.ENFORCE, True, [ScoreKind.REAL, ScoreKind.TRIAL]),
        (Mode.SHADOW, True, [ScoreKind.TRIAL]),
        (Mode.SHADOW, False, [ScoreKind.TRIAL]),
    ],
)
def test_what_is_in_shadow_counts_to_the_trial_alone(mode: Mode, tries: bool, scores: list[ScoreKind]) -> None:  # noqa: FBT001
    found = sightings_of([signal(mode=mode)], abuse(tries=tries), _event())
    assert [seen.score for seen in found] == scores


@pytest.mark.parametrize(
    ("distinct", "address", "value"),
    [
        (Distinct.KEY, "192.0.2.1", "gk_claimed"),
        (Distinct.IP, "192.0.2.1", "192.0.2.1"),
        (Distinct.NETWORK, "192.0.2.1", "192.0.2.0/24"),
        (Distinct.NETWORK, "2001:db8:1:2::3", "2001:db8:1::/48"),
        (Distinct.ROUTE, "192.0.2.1", "POST /v1/orders"),
        (None, "192.0.2.1", ""),
    ],
)
def test_each_kind_of_value_is_told_apart(distinct: Distinct | None, address: str, value: str) -> None:
    [seen] = sightings_of([signal(distinct=distinct)], abuse(), _event(address=address))
    assert seen.value == value
