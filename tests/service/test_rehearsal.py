"""Each thing that a rehearsal is asked for, seen in what the line says to it."""

import socket

import pytest

from guard.core.stages import Allow
from guard.model.keys import KeyAlgorithm, KeyUse
from guard.model.names import UnixMs
from guard.policy.cases import Fixture
from guard.service.rehearsal import STARTS_AT, Heard, Rehearsal
from guard.service.rulebook import Rulebook
from guard.signing.writing import CannotSign, Forged
from tests.policy_text import loaded

_POLICY = """
version: 1
service: exchange
upstream: http://127.0.0.1:8081
match: {hosts: [api.example.com]}
auth: {schemes: [guard-v1, api-key], accept_replayable: true}
store: {on_failure: {limits: deny}}
limits: {key: {per: [key], rate: 20/s, burst: 3}}
routes:
  GET /v1/time: {auth: none}
  POST /v1/orders: {scope: trade}
  POST /v1/withdrawals: {scope: trade, schemes: [guard-v1], algorithms: [ed25519]}
  DELETE /v1/orders/{id}: {scope: trade, priority: critical, schemes: [guard-v1]}
"""
_TRADER = Fixture(key="k1", scopes=frozenset({"trade"}))


def _rules(text: str = _POLICY) -> Rulebook:
    found = loaded(text)
    return Rulebook(policies=found.policies, schemes=found.schemes)


def _sent(  # each is one thing that a step may say
    rehearsal: Rehearsal,
    send: str = "POST /v1/orders",
    who: Fixture = _TRADER,
    *,
    body: bytes = b"{}",
    skew_ms: int = 0,
    forged: Forged | None = None,
) -> Heard:
    method, target = send.split()
    request = rehearsal.request("exchange", method, target, {"content-type": "application/json"}, body)
    return rehearsal.send(rehearsal.signed(request, who, skew_ms=skew_ms, forged=forged), who.ip)


def _said(heard: Heard) -> tuple[str, int]:
    return heard.outcome, heard.status


def test_what_is_let_through_is_answered_and_logged_as_by_a_gateway() -> None:
    heard = _sent(Rehearsal(_rules()))
    assert isinstance(heard.judgement.outcome, Allow)
    assert _said(heard) == ("allow", 200)
    assert dict(heard.fields)[b"ratelimit"] == b'"key";r=2;t=1'
    event = heard.event
    assert (event.ts, event.decision, event.key, event.account) == (
        "2030-01-01T00:00:00.000Z",
        "allow",
        "k1",
        "account of k1",
    )
    assert (event.scheme, event.cost, event.buckets) == ("guard-v1", 1, {"key": (2, 3)})


def test_a_cost_that_the_answer_tells_is_settled_as_by_a_gateway() -> None:
    told = _POLICY.replace("POST /v1/orders: {", "POST /v1/orders: {cost: {hold: 2, on_success: 0}, ")
    rehearsal = Rehearsal(_rules(told))
    events = [_sent(rehearsal).event for _ in range(4)]
    assert [(event.decision, event.cost, event.buckets) for event in events] == [("allow", 0, {"key": (1, 3)})] * 4


def test_what_is_refused_is_told_as_the_client_would_be_told() -> None:
    heard = _sent(Rehearsal(_rules()), forged="signature")
    assert _said(heard) == ("auth.bad_signature", 401)
    assert dict(heard.fields)[b"guard-reason"] == b"auth.invalid"


def test_what_the_backend_answers_is_told_without_what_is_guards_own_and_settles_the_cost() -> None:
    text = _POLICY.replace("{scope: trade}", "{scope: trade, cost: {response_header: Guard-Cost, hold: 1, max: 3}}", 1)
    rehearsal = Rehearsal(_rules(text))
    request = rehearsal.request("exchange", "POST", "/v1/orders", {}, b"")
    answer = ((b"guard-cost", b"2"), (b"x-order", b"7"))
    heard = rehearsal.send(rehearsal.signed(request, _TRADER), _TRADER.ip, 201, answer)
    told = dict(heard.fields)
    assert (heard.status, heard.event.status, heard.event.cost) == (201, 201, 2)
    assert (told[b"x-order"], b"guard-cost" in told) == (b"7", False)


@pytest.mark.parametrize(
    ("who", "outcome"),
    [
        (Fixture(), "authz.scope"),
        (Fixture(scopes=frozenset({"trade"}), uses=(KeyUse.CANCELS,)), "authz.bounds"),
        (Fixture(scopes=frozenset({"trade"}), only={"symbol": ("BTC-USD",)}), "authz.bounds"),
        (Fixture(scopes=frozenset({"trade"}), expired=True), "auth.expired_key"),
        (Fixture(scopes=frozenset({"trade"}), revoked=True), "auth.revoked_key"),
        (Fixture(scopes=frozenset({"trade"}), unknown=True), "auth.unknown_key"),
        (Fixture(scopes=frozenset({"trade"}), networks=("198.51.100.0/24",)), "authz.ip"),
        (Fixture(scopes=frozenset({"trade"}), networks=("198.51.100.0/24",), ip="198.51.100.7"), "allow"),
        (Fixture(scopes=frozenset({"trade"}), algorithm=KeyAlgorithm.ED25519), "allow"),
        (Fixture(scopes=frozenset({"trade"}), algorithm=KeyAlgorithm.API_KEY), "allow"),
        (Fixture(scopes=frozenset({"trade"}), scheme="api-key"), "allow"),
    ],
)
def test_a_key_is_made_up_as_the_fixture_says(who: Fixture, outcome: str) -> None:
    assert _sent(Rehearsal(_rules()), who=who).outcome == outcome


def test_a_key_is_of_one_kind_from_its_first_request_on() -> None:
    rehearsal = Rehearsal(_rules())
    assert _sent(rehearsal, "POST /v1/orders").outcome == "allow"
    assert _sent(rehearsal, "POST /v1/withdrawals").outcome == "auth.algorithm"
    assert _sent(Rehearsal(_rules()), "POST /v1/withdrawals").outcome == "allow"


def test_the_clock_stands_still_and_is_set_forward() -> None:
    rehearsal = Rehearsal(_rules())
    assert [_sent(rehearsal).outcome for _ in range(4)] == ["allow", "allow", "allow", "limit.key"]
    rehearsal.now = UnixMs(STARTS_AT + 50)
    assert [_sent(rehearsal).outcome for _ in range(2)] == ["allow", "limit.key"]


@pytest.mark.parametrize(
    ("skew_ms", "outcome"), [(-5000, "allow"), (-5001, "auth.stale"), (1000, "allow"), (1001, "auth.future")]
)
def test_the_senders_clock_may_be_off(skew_ms: int, outcome: str) -> None:
    assert _sent(Rehearsal(_rules()), skew_ms=skew_ms).outcome == outcome


def test_open_and_unknown_routes_are_asked_without_credentials() -> None:
    rehearsal = Rehearsal(_rules())
    assert _said(_sent(rehearsal, "GET /v1/time", body=b"")) == ("allow", 200)
    assert _said(_sent(rehearsal, "GET /v1/nothing", body=b"")) == ("route.unknown", 404)
    request = rehearsal.request("exchange", "GET", "/v1/time", {"host": "other.test"}, b"")
    assert _said(rehearsal.send(request, "192.0.2.1")) == ("request.misdirected", 421)


def test_a_store_that_is_down_is_what_the_policy_makes_of_it() -> None:
    rehearsal = Rehearsal(_rules(_POLICY.replace("limits: deny", "limits: local 50%")))
    rehearsal.store.is_down = True
    assert _said(_sent(rehearsal)) == ("store.unavailable", 503)
    assert [_sent(rehearsal, "DELETE /v1/orders/1", body=b"").outcome for _ in range(2)] == ["allow", "limit.key"]
    rehearsal.store.is_down = False
    assert [_sent(rehearsal).outcome for _ in range(3)] == ["allow", "allow", "limit.key"]


def test_slots_are_free_again_once_a_request_is_answered() -> None:
    rehearsal = Rehearsal(_rules(_POLICY.replace("rate: 20/s, burst: 3", "concurrent: 1")))
    assert [_sent(rehearsal).outcome for _ in range(3)] == ["allow"] * 3


def test_a_scheme_that_no_route_accepts_cannot_sign() -> None:
    with pytest.raises(CannotSign, match="no route here accepts the scheme binance"):
        _sent(Rehearsal(_rules()), who=Fixture(scheme="binance"))


def test_no_socket_is_opened_and_the_same_requests_are_decided_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    rules = _rules()
    one, other = Rehearsal(rules), Rehearsal(rules)
    assert [_sent(one).event for _ in range(5)] == [_sent(other).event for _ in range(5)]


_ABUSE = (
    _POLICY
    + """
abuse:
  signals: {forgery: {on: auth.bad_signature, points: 20, per: ip}}
  ladder:
    - {at: 20, action: slow, delay: 250ms}
    - {at: 60, action: ban, for: [2m, 10m]}
"""
)


def test_abuse_is_scored_slowed_and_banned_by_the_same_clock_and_ends_with_its_term() -> None:
    rehearsal = Rehearsal(_rules(_ABUSE))
    outcomes = [_sent(rehearsal, forged="signature").outcome for _ in range(4)]
    assert outcomes == ["auth.bad_signature"] * 3 + ["abuse.ban"]
    assert rehearsal.now == STARTS_AT + 2 * 250, "the second and third had to wait"
    assert _said(_sent(rehearsal)) == ("abuse.ban", 403)
    elsewhere = Fixture(key="k2", scopes=frozenset({"trade"}), ip="198.51.100.7")
    assert _sent(rehearsal, who=elsewhere).outcome == "allow"
    rehearsal.now = UnixMs(rehearsal.now + 119_999)
    assert _said(_sent(rehearsal)) == ("abuse.ban", 403)
    rehearsal.now = UnixMs(rehearsal.now + 1)
    assert _sent(rehearsal).outcome == "allow"
