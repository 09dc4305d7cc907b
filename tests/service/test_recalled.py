import msgspec
import pytest

from guard.model.decision import DecisionEvent
from guard.service.explain import Line, Verdict
from guard.service.recalled import recall
from tests.policy_text import loaded

_POLICIES = loaded(
    "version: 1\nservice: exchange\nupstream: http://127.0.0.1:8081\nlimits: {key: {per: [key], rate: 20/s}}\n"
    "routes:\n  POST /v1/orders/{id}: {scope: trade}\n"
).policies
_EVENT = DecisionEvent(
    ts="2030-01-01T00:00:00.000Z",
    id="req_1",  # type: ignore[arg-type]  # as decoded
    decision="deny",
    reason="limit.key",
    rule="limits.key (exchange.yaml:22)",
    status=429,
    service="exchange",
    policy=_POLICIES.services[0].digest,
    method="POST",
    route="POST /v1/orders/{id}",
    cost=3,
    key="gk_abc…12345678",
    account="acme",
    ip="203.0.113.7",
    scheme="guard-v1",
    skew_ms=12,
    buckets={"key": (2, 20), "gone": (1, 5)},
    shadow=("limit.gone", "limit.other"),
)


def test_a_line_of_the_log_is_told_in_the_layout_of_explain_with_the_policys_places_of_now() -> None:
    explanation = recall(_EVENT, _POLICIES)
    assert (explanation.decision, explanation.reason, explanation.status, explanation.note) == (
        "deny",
        "limit.key",
        429,
        "",
    )
    assert explanation.lines == (
        Line(subject="route", verdict=Verdict.PASS, detail="POST /v1/orders/{id}  cost=3", place="p0.yaml:6"),
        Line(subject="ip", verdict=Verdict.PASS, detail="203.0.113.7"),
        Line(subject="auth", verdict=Verdict.PASS, detail="guard-v1  skew=12 ms"),
        Line(subject="key", verdict=Verdict.PASS, detail="gk_abc…12345678  account=acme"),
        Line(subject="limit.key", verdict=Verdict.DENY, detail="2/20", place="p0.yaml:4", decided=True),
        Line(subject="limit.gone", verdict=Verdict.WOULD, detail="1/5"),
        Line(subject="limit.other", verdict=Verdict.WOULD, detail="[shadow]"),
    )


def test_a_policy_that_has_changed_since_is_said() -> None:
    digest = _POLICIES.services[0].digest
    changed = recall(msgspec.structs.replace(_EVENT, policy="0000000"), _POLICIES)
    assert changed.note == f"the policy is another now: exchange@{digest}"
    gone = recall(msgspec.structs.replace(_EVENT, service="other", route="GET /"), _POLICIES)
    assert (gone.mode, gone.note, gone.lines[0].place) == (None, "", "")


@pytest.mark.parametrize(
    ("reason", "subject"),
    [
        ("route.unknown", "route"),
        ("request.bad_path", "route"),
        ("auth.bad_signature", "auth"),
        ("auth.unknown_key", "auth"),
        ("auth.expired_key", "key"),
        ("authz.scope", "route"),
        ("authz.ip", "key"),
        ("abuse.address_denied", "ip"),
        ("gateway.overloaded", "gateway.overloaded"),
    ],
)
def test_the_subject_that_decided_follows_from_the_reason(reason: str, subject: str) -> None:
    bare = DecisionEvent(ts="", id="req_1", decision="deny", reason=reason, rule="auth (a.yaml:7)")  # type: ignore[arg-type]
    (decided,) = (line for line in recall(bare, _POLICIES).lines if line.decided)
    assert (decided.subject, decided.verdict) == (subject, Verdict.DENY)
    assert decided.place == "a.yaml:7"


def test_what_was_let_through_has_no_line_that_decided() -> None:
    allowed = msgspec.structs.replace(_EVENT, decision="allow", reason="upstream.timeout", shadow=())
    explanation = recall(allowed, _POLICIES)
    assert not any(line.decided for line in explanation.lines)
    assert explanation.remedy == ""
