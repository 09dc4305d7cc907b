"""The explanation says what the line decided: same order, same readings, same rule."""

import msgspec
import pytest

from guard.core import pipeline
from guard.policy.cases import Fixture
from guard.service.explain import Explanation, Line, Verdict, explain
from guard.service.rehearsal import Heard, Rehearsal
from guard.service.rulebook import Rulebook
from tests.policy_text import loaded

_POLICY = """\
version: 1
service: exchange
upstream: http://127.0.0.1:8081
client_ip: {deny: [198.51.100.0/24]}
auth: {scheme: guard-v1, window: 5s}
limits:
  ip: {per: [ip], rate: 50/s, burst: 100}
  weight: {per: [ip], rate: 1/m, mode: shadow}
  key: {per: [key], rate: 20/s, burst: 2}
  orders: {per: [account], rate: 300/10s}
  idle: {per: [key], rate: 1/m, mode: off}
routes:
  GET /v1/time: {auth: none}
  POST /v1/orders: {scope: trade, group: orders}
"""
_TRADER = Fixture(scopes=frozenset({"trade"}))


def _heard(*, times: int = 1, send: str = "POST /v1/orders", who: Fixture = _TRADER, unsigned: bool = False) -> Heard:
    found = loaded(_POLICY)
    rehearsal = Rehearsal(Rulebook(policies=found.policies, schemes=found.schemes))
    method, target = send.split()
    for _ in range(times):
        request = rehearsal.request("exchange", method, target, {}, b"")
        heard = rehearsal.send(request if unsigned else rehearsal.signed(request, who), who.ip)
    return heard


def _told(explanation: Explanation) -> list[tuple[str, str]]:
    return [(line.subject, line.verdict.value) for line in explanation.lines]


def _line(explanation: Explanation, subject: str) -> Line:
    return next(line for line in explanation.lines if line.subject == subject)


def test_what_is_let_through_passed_everything_in_the_pipelines_order() -> None:
    explanation = explain(_heard())
    assert (explanation.decision, explanation.status, explanation.reason) == ("allow", 200, None)
    assert _told(explanation) == [
        (subject, "pass")
        for subject in (
            *(
                "route",
                "gateway",
                "ip",
                "limit.ip",
                "limit.weight",
                "auth",
                "key",
                "scope",
                "bounds",
                "require",
                "backend",
            ),
            *("nonce", "limit.key", "limit.orders", "limit.idle"),
        )
    ]
    assert _line(explanation, "route") == Line(
        subject="route", verdict=Verdict.PASS, detail="POST /v1/orders  group=orders  cost=1", place="p0.yaml:14"
    )
    assert _line(explanation, "auth").detail == "guard-v1  skew +0 ms of -1000/+5000 ms"
    assert _line(explanation, "key").detail == "t1  account=account of t1"
    assert _line(explanation, "limit.idle").detail == "[off]"


def test_a_limit_that_is_short_is_told_with_its_counters_beside_those_that_were_not() -> None:
    explanation = explain(_heard(times=3))
    assert (explanation.decision, explanation.status, explanation.reason) == ("deny", 429, "limit.key")
    assert _line(explanation, "limit.key") == Line(
        subject="limit.key",
        verdict=Verdict.DENY,
        detail="0/2  needs 1  next at +50 ms",
        place="p0.yaml:9",
        decided=True,
    )
    assert _line(explanation, "limit.orders").detail == "298/300  nothing taken: all or nothing"
    weight = _line(explanation, "limit.weight")
    assert (weight.verdict, weight.detail, weight.place) == (
        Verdict.WOULD,
        "0/1  needs 1  next at +60000 ms  [shadow]",
        "p0.yaml:8",
    )
    assert explanation.remedy == "wait 50 ms, or raise limits.key"


@pytest.mark.parametrize(
    ("heard", "subject", "code", "place"),
    [
        (lambda: _heard(send="POST /v1/nothing"), "route", "route.unknown", "p0.yaml:2"),
        (lambda: _heard(send="POST /v1//orders"), "route", "request.bad_path", ""),
        (lambda: _heard(who=Fixture(ip="198.51.100.7")), "ip", "abuse.address_denied", "p0.yaml:4"),
        (lambda: _heard(unsigned=True), "auth", "auth.missing", "p0.yaml:5"),
        (lambda: _heard(who=Fixture(unknown=True)), "auth", "auth.unknown_key", "p0.yaml:5"),
        (lambda: _heard(who=Fixture(revoked=True)), "key", "auth.revoked_key", "p0.yaml:5"),
        (lambda: _heard(who=Fixture()), "scope", "authz.scope", "p0.yaml:14"),
    ],
)
def test_the_one_that_decided_stands_between_those_that_held_and_those_that_were_not_reached(
    heard: object, subject: str, code: str, place: str
) -> None:
    assert callable(heard)
    explanation = explain(heard())
    assert explanation.reason == code
    decided = next(index for index, line in enumerate(explanation.lines) if line.decided)
    line = explanation.lines[decided]
    assert (line.subject, line.verdict, line.place) == (subject, Verdict.DENY, place)
    assert all(line.verdict in (Verdict.PASS, Verdict.WOULD) for line in explanation.lines[:decided])
    assert {line.verdict for line in explanation.lines[decided + 1 :]} == {Verdict.NOT_REACHED}


def test_a_replay_is_told_at_its_nonce_and_a_store_that_is_down_too() -> None:
    found = loaded(_POLICY)
    rehearsal = Rehearsal(Rulebook(policies=found.policies, schemes=found.schemes))
    request = rehearsal.signed(rehearsal.request("exchange", "POST", "/v1/orders", {}, b""), _TRADER)
    rehearsal.send(request, _TRADER.ip)
    nonce = _line(explain(rehearsal.send(request, _TRADER.ip)), "nonce")
    assert (nonce.verdict, nonce.detail, nonce.decided) == (
        Verdict.DENY,
        "this exact request was accepted 0 ms ago",
        True,
    )


def test_an_open_route_is_told_as_open() -> None:
    assert _line(explain(_heard(send="GET /v1/time")), "auth").detail == "open to anyone"


def test_an_address_that_is_over_its_limit_is_told_at_that_limit() -> None:
    found = loaded(_POLICY.replace("rate: 50/s, burst: 100", "rate: 50/s, burst: 1"))
    rehearsal = Rehearsal(Rulebook(policies=found.policies, schemes=found.schemes))
    for _ in range(2):
        heard = rehearsal.send(rehearsal.request("exchange", "GET", "/v1/time", {}, b""), "192.0.2.1")
    explanation = explain(heard)
    assert _line(explanation, "limit.ip").decided
    assert _line(explanation, "limit.ip").detail == "0/1  needs 1  next at +20 ms"
    assert _line(explanation, "auth").verdict is Verdict.NOT_REACHED


def test_every_check_that_says_no_is_found_in_the_explanation() -> None:
    """Whatever check a later version adds, an explanation shows where the line ended."""
    for table in pipeline.ORDER:
        for check in table:
            heard = _heard(who=Fixture())
            denied = heard.judgement.outcome
            changed = msgspec.structs.replace(denied, check=check.__name__)
            judgement = msgspec.structs.replace(heard.judgement, outcome=changed)
            lines = explain(msgspec.structs.replace(heard, judgement=judgement)).lines
            assert sum(line.decided for line in lines) == 1, check.__name__
