"""The same requests are decided alike in a policy test, in an explanation, by a gateway's judge, and in shadow."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from guard.core.stages import Signed
from guard.model.decision import Deny
from guard.model.facts import Body, BodyRead
from guard.model.keys import KeyAlgorithm, KeyRecord, KeyState, Secret
from guard.model.names import AccountId, KeyId, UnixMs
from guard.policy.cases import Fixture
from guard.policy.load import Loaded, load_text
from guard.service.explain import Explanation, explain
from guard.service.judge import Judge
from guard.service.policy_tests import rehearse
from guard.service.rehearsal import STARTS_AT, Heard, Rehearsal
from guard.service.rulebook import Rulebook, Rules
from guard.signing.specimens import specimen
from guard.state.memory import MemoryLimits
from guard.wire.http_message import facts_from_http
from tests.build import record
from tests.directory import Keys

_POLICY = """\
version: 1
service: exchange
upstream: http://127.0.0.1:8081
client_ip: {deny: [198.51.100.0/24]}
limits:
  mode: enforce
  ip: {per: [ip], rate: 1/s, burst: 6, except: [cancels]}
  key: {per: [key], rate: 1/s, burst: 3, except: [cancels]}
  orders: {per: [account], rate: 5/10s, routes: [orders]}
routes:
  GET /v1/time: {auth: none}
  GET /v1/account: {scope: read}
  POST /v1/orders: {scope: trade, group: orders, cost: 2}
  DELETE /v1/orders/{id}: {scope: trade, group: cancels, priority: critical}
"""

_TRUE = st.just(value=True)
_WHO = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["a", "b"]),
        "scopes": st.sampled_from([["trade"], ["read"], ["read", "trade"], []]),
        "ip": st.sampled_from(["203.0.113.7", "203.0.113.8", "198.51.100.1"]),
    },
    optional={"expired": _TRUE, "revoked": _TRUE, "unknown": _TRUE},
)
_STEP = st.fixed_dictionaries(
    {
        "send": st.sampled_from(
            ["GET /v1/time", "GET /v1/account", "POST /v1/orders", "DELETE /v1/orders/1", "GET /v1/x", "POST /v1//x"]
        ),
        "as": _WHO,
    },
    optional={
        "body": st.sampled_from([{"a": 1}, "text"]),
        "skew": st.sampled_from(["-10s", "+2s", "-3s"]),
        "unsigned": _TRUE,
        "tamper": st.just("path"),
        "wait": st.sampled_from(["250ms", "2s"]),
    },
)


def _loaded(steps: Sequence[dict[str, Any]], mode: str = "enforce") -> Loaded:
    tests = json.dumps({"service": "exchange", "tests": [{"name": "n", "steps": list(steps)}]})
    text = _POLICY.replace("mode: enforce", f"mode: {mode}")
    loaded = load_text({"exchange.yaml": text, "drawn.test.yaml": tests})
    assert isinstance(loaded, Loaded), loaded
    return loaded


def _rules(loaded: Loaded) -> Rulebook:
    return Rulebook(policies=loaded.policies, schemes=loaded.schemes)


def _rehearsed(loaded: Loaded) -> list[Heard]:
    """Each step through a rehearsal, by hand."""
    rehearsal = Rehearsal(_rules(loaded))
    heard: list[Heard] = []
    for step in loaded.cases[0].steps:
        rehearsal.now = UnixMs(rehearsal.now + step.wait_ms)
        assert step.request is not None
        headers = {} if step.content_type is None else {"content-type": step.content_type}
        request = rehearsal.request("exchange", *step.request, headers, step.body)
        if not step.unsigned:
            request = rehearsal.signed(request, step.fixture, skew_ms=step.skew_ms, forged=step.tamper)
        heard.append(rehearsal.send(request, step.fixture.ip))
    return heard


async def _judged(loaded: Loaded, heard: Sequence[Heard]) -> list[str]:
    """The same messages before a judge as a gateway has one: its own store, its own directory of keys."""
    now = STARTS_AT
    keys = Keys()
    limits = MemoryLimits(UnixMs(STARTS_AT - 3_600_000), filled_since=UnixMs(0))
    judge = Judge(Rules(_rules(loaded)), keys, limits, lambda: now)
    outcomes: list[str] = []
    for step, one in zip(loaded.cases[0].steps, heard, strict=True):
        now = UnixMs(now + step.wait_ms)
        keys.records = _records(step.fixture)
        facts = facts_from_http(
            method=one.facts.verb,
            target=one.facts.target,
            fields=one.facts.fields,
            peer=step.fixture.ip,
            secure=True,
            received_at=now,
            request_id=one.facts.request_id,
        )
        content = one.facts.body or b""

        async def read(_: Signed, content: bytes = content) -> Body:
            return BodyRead(content)

        judgement = await judge.judge(facts, read)
        outcomes.append(judgement.outcome.code if isinstance(judgement.outcome, Deny) else "allow")
        for charge in (judgement.paid, judgement.room):
            if charge is not None and charge.hold_ms:
                await limits.release(charge)
    return outcomes


def _records(who: Fixture) -> dict[KeyId, KeyRecord]:
    """What the test's key would be in a database, put down by hand."""
    if who.unknown:
        return {}
    holder = record(
        id=KeyId(who.key),
        account=AccountId(who.key),
        material=Secret(specimen(who.key, KeyAlgorithm.HMAC_SHA256).material),
        scopes=who.scopes,
        state=KeyState.DEACTIVATED if who.revoked else KeyState.ACTIVE,
        expires_at=STARTS_AT if who.expired else None,
    )
    return {holder.id: holder}


def _told(explanation: Explanation) -> str:
    assert sum(line.decided for line in explanation.lines) == (explanation.decision == "deny")
    return explanation.reason or explanation.decision


@given(st.lists(_STEP, min_size=1, max_size=8))
@settings(deadline=None, max_examples=30)
def test_policy_test_explanation_and_judge_decide_alike(drawn: list[dict[str, Any]]) -> None:
    steps = [one for one in drawn if not (one.get("tamper") and one.get("unsigned"))]
    if not steps:
        return
    loaded = _loaded(steps)
    heard = _rehearsed(loaded)
    outcomes = [one.outcome for one in heard]
    assert [_told(explain(one)) for one in heard] == outcomes
    assert asyncio.run(_judged(loaded, heard)) == outcomes
    expected = [{**step, "expect": outcome} for step, outcome in zip(steps, outcomes, strict=True)]
    again = _loaded(expected)
    assert rehearse(_rules(again), again.cases[0]).failure is None


@given(st.lists(_STEP, min_size=1, max_size=8))
@settings(deadline=None, max_examples=30)
def test_in_shadow_the_first_limit_that_would_deny_is_the_one_that_does_deny(drawn: list[dict[str, Any]]) -> None:
    steps = [{key: value for key, value in one.items() if key not in ("tamper", "unsigned")} for one in drawn]
    enforced, shadowed = _rehearsed(_loaded(steps)), _rehearsed(_loaded(steps, "shadow"))
    for one, other in zip(enforced, shadowed, strict=True):
        if not one.outcome.startswith("limit."):
            assert other.outcome == one.outcome
            continue
        assert other.event.shadow, one.outcome
        return  # from here on they have spent differently
