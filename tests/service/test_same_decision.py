"""The same requests are decided alike in a policy test, in an explanation and at a gateway's judge; and what is in
shadow records, request for request, what it would refuse if it were enforced.

Seen to turn it red, taken out by hand: a shadow limit that takes nothing (`shadow_is_taken` of state/meters.py).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from guard.cli import explain as explain_command
from guard.cli import test as test_command
from guard.model.abuse import Action
from guard.model.bans import Bans
from guard.model.decision import DecisionEvent, Deny
from guard.model.keys import Bounds, KeyAlgorithm, KeyRecord, KeyState, Secret
from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.rules import Mode
from guard.policy.cases import Fixture
from guard.policy.load import Loaded, load_text
from guard.service.explain import Explanation, Verdict, explain
from guard.service.policy_tests import outcomes, rehearse
from guard.service.recalled import recall
from guard.service.rehearsal import STARTS_AT, Heard, Rehearsal
from guard.service.rulebook import Rulebook, Rules
from guard.signing.specimens import specimen
from guard.signing.writing import Request
from guard.wire.http_message import facts_from_http
from tests.build import override, record
from tests.gateway import Gateway
from tests.policy_grammar import BODY_MAX, TIER, policy_files

_EXAMPLES = settings.get_profile("guard").max_examples // 5
_SHADOWABLE = ("limit.", "abuse.")
_AUTH = ("auth.", "authz.")

_TRUE = st.just(value=True)
_WHO = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["k1", "k2"]),
        "scopes": st.sampled_from([["trade"], ["read"], ["read", "trade"], ["read", "trade"], []]),
        "ip": st.sampled_from(["203.0.113.7", "203.0.113.8", "198.51.100.1", "2001:db8::1"]),
    },
    optional={
        "account": st.just("shared"),
        "tier": st.just(TIER),
        "networks": st.just(["203.0.113.7"]),
        "uses": st.sampled_from([["reads"], ["cancels"]]),
        "expired": _TRUE,
        "revoked": _TRUE,
        "unknown": _TRUE,
    },
)
_USUAL = st.fixed_dictionaries(
    {"key": st.sampled_from(["k1", "k2"]), "scopes": st.just(["read", "trade"]), "ip": st.just("203.0.113.7")}
)
_TARGETS: dict[str, st.SearchStrategy[Any]] = {
    "GET /time": st.none(),
    "GET /time?limit=5": st.none(),
    "GET /book?limit=9": st.none(),
    "GET /book": st.none(),
    "POST /orders": st.sampled_from([None, {"n": 2}, {"n": 9}, {"n": "x"}, "n=5", {"long": "x" * BODY_MAX}]),
    "POST /batch": st.integers(0, 5).map(lambda count: {"orders": [{}] * count}) | st.just("text"),
    "DELETE /orders/1": st.none(),
    "PUT /orders": st.none(),
    "GET /nothing": st.none(),
    "POST //orders": st.none(),
}
_FLAWS: tuple[dict[str, Any], ...] = (
    *({},) * 8,
    {"unsigned": True},
    {"tamper": "path"},
    {"tamper": "signature"},
    {"tamper": "body"},
    {"skew": "-10s"},
    {"skew": "-3s"},
    {"skew": "+2s"},
)


@st.composite
def _requests(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The steps of a policy test, without what is expected."""
    steps: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 10))):
        saved = [step["save"] for step in steps if "save" in step]
        step: dict[str, Any] = {} if draw(st.booleans()) else {"wait": draw(st.sampled_from(["250ms", "2s", "7s"]))}
        if saved and draw(st.integers(0, 5)) == 0:
            steps.append(step | {"replay": draw(st.sampled_from(saved)), "as": draw(_USUAL)})
            continue
        method, _, target = draw(st.sampled_from(sorted(_TARGETS))).partition(" ")
        body, flaw = draw(_TARGETS[f"{method} {target}"]), draw(st.sampled_from(_FLAWS))
        step |= {"send": f"{method} /{draw(st.sampled_from('aaabc'))}{target}", "as": draw(_USUAL | _WHO)}
        step |= {} if body is None else {"body": body}
        step |= {} if flaw == {"tamper": "body"} and body is None else flaw
        steps.append(step | ({"save": f"s{number}"} if draw(st.booleans()) else {}))
    return steps


class Decided(NamedTuple):
    """One request: its line of the decision log, and whether anything but a denial was in force against anybody."""

    event: DecisionEvent
    held_back: bool

    @property
    def reason(self) -> str:
        return self.event.reason or "allow"


def _loaded(files: Mapping[str, str], steps: Sequence[dict[str, Any]]) -> Loaded:
    loaded = load_text(_with_test(files, steps))
    assert isinstance(loaded, Loaded), loaded
    return loaded


def _with_test(files: Mapping[str, str], steps: Sequence[dict[str, Any]]) -> dict[str, str | bytes]:
    test = json.dumps({"service": "a", "tests": [{"name": "drawn", "steps": list(steps)}]})
    return {**files, "drawn.test.yaml": test}


def _rules(loaded: Loaded) -> Rulebook:
    return Rulebook(policies=loaded.policies, schemes=loaded.schemes)


def _decided(rules: Rulebook, loaded: Loaded) -> list[Decided]:
    """What comes of the steps; the same in a rehearsal, in its explanation, in that of its log line, and at a judge."""
    heard = _rehearsed(rules, loaded)
    decided = _judged(rules, loaded, heard)
    for one, other in zip(heard, decided, strict=True):
        assert _said(one.event) == _said(other.event), (one.event, other.event)
        _assert_explained(explain(one), one)
        _assert_told(recall(other.event, rules.policies), other.event)
    return decided


def _said(event: DecisionEvent) -> DecisionEvent:
    """What a line says of the decision: not which request it was, nor what its exchange was like."""
    return msgspec.structs.replace(event, id="", status=None, bytes_in=None, guard_us=None)


def _rehearsed(rules: Rulebook, loaded: Loaded) -> list[Heard]:
    """Each step through a rehearsal."""
    rehearsal = Rehearsal(rules)
    saved: dict[str, Request] = {}
    heard: list[Heard] = []
    for step in loaded.cases[0].steps:
        rehearsal.now = UnixMs(rehearsal.now + step.wait_ms)
        heard += outcomes(rehearsal, "a", step, saved)
    return heard


def _judged(rules: Rulebook, loaded: Loaded, heard: Sequence[Heard]) -> list[Decided]:
    """The same bytes before a gateway: its own store, its own directory of keys, bodies behind their heads."""
    gateway = Gateway(rules, STARTS_AT, waits=True)
    decided: list[Decided] = []
    for step, one in zip(loaded.cases[0].steps, heard, strict=True):
        gateway.now = UnixMs(gateway.now + step.wait_ms)
        if step.replay is None and b"guard-key" in dict(one.facts.fields):
            gateway.keys.records.pop(KeyId(step.fixture.key), None)
            gateway.keys.records |= _records(step.fixture)
        facts = facts_from_http(
            method=one.facts.verb,
            target=one.facts.target,
            fields=one.facts.fields,
            peer=step.fixture.ip,
            secure=True,
            received_at=gateway.now,
            request_id=one.facts.request_id,
        )
        held_back = _holds_back(gateway.watch.board.bans)
        judgement = gateway.judge(facts, one.facts.body or b"")
        decided.append(Decided(gateway.conclude(facts, judgement), held_back))
    return decided


def _records(who: Fixture) -> dict[KeyId, KeyRecord]:
    """What the test's key would be in a database, put down by hand."""
    if who.unknown:
        return {}
    holder = record(
        id=KeyId(who.key),
        account=AccountId(who.account or f"account of {who.key}"),
        material=Secret(specimen(who.key, KeyAlgorithm.HMAC_SHA256).material),
        scopes=who.scopes,
        tier=who.tier,
        networks=who.networks,
        bounds=Bounds.of(who.uses, {}) if who.uses else None,
        state=KeyState.DEACTIVATED if who.revoked else KeyState.ACTIVE,
        expires_at=STARTS_AT if who.expired else None,
    )
    return {holder.id: holder}


def _holds_back(bans: Bans) -> bool:
    effects = (
        effect for table in (bans.addresses, bans.keys, bans.accounts) for each in table.values() for effect in each
    )
    return any(effect.action in (Action.SLOW, Action.THROTTLE) and not effect.is_shadow for effect in effects)


def _assert_explained(explanation: Explanation, heard: Heard) -> None:
    """It says the same: the decision and what decided it, what was left of each limit, and what shadow would deny."""
    event = heard.event
    _assert_told(explanation, event)
    counters = {line.subject: line.detail.split("  ")[0] for line in explanation.lines if "/" in line.detail}
    for limit, (left, holds) in (event.buckets or {}).items():
        assert counters[f"limit.{limit}"] == f"{left}/{holds}"
    would = {line.subject for line in explanation.lines if line.verdict is Verdict.WOULD}
    limits = {code for code in event.shadow if code.startswith("limit.")}
    assert limits == {subject for subject in would if subject.startswith("limit.")}
    priced = [line.detail for line in explanation.lines if line.subject == "cost" and line.detail]
    judged = heard.judgement.outcome
    if priced and not isinstance(judged, Deny):
        assert priced == [f"cost={judged.verified.cost}"]


def _assert_told(explanation: Explanation, event: DecisionEvent) -> None:
    assert (explanation.decision, explanation.reason) == (event.decision, event.reason)
    decided = [line for line in explanation.lines if line.decided]
    assert len(decided) == (event.decision == "deny")
    if decided and (event.reason or "").startswith("limit."):
        assert decided[0].subject == event.reason


def _expected(step: dict[str, Any], event: DecisionEvent) -> dict[str, Any]:
    """The step, expecting what came of it."""
    left = {limit: left for limit, (left, _) in (event.buckets or {}).items()}
    expect: dict[str, Any] = {"decision": event.decision, "remaining": left, "shadow": list(event.shadow)}
    expect |= {} if event.cost is None else {"cost": event.cost}
    expect |= {} if event.reason is None else {"reason": event.reason}
    return {**step, "expect": expect}


def _assert_commands_agree(files: Mapping[str, str], steps: Sequence[dict[str, Any]], first: Explanation) -> None:
    """`guard test` finds nothing wrong with a test that expects this, and `guard explain` says so of its first step."""
    with TemporaryDirectory() as folder:
        for name, text in _with_test(files, steps).items():
            (Path(folder) / name).write_text(str(text))
        ran = CliRunner().invoke(test_command.app, [folder])
        assert ran.exit_code == 0, ran.output
        asked = _asked(steps[0])
        if asked is None:
            return
        ran = CliRunner().invoke(explain_command.app, [*asked, "--policies", folder, "--format", "json"])
        assert ran.exit_code == 0, ran.output
        told = msgspec.json.decode(ran.stdout, type=Explanation)
        assert [_bare(line) for line in told.lines] == [_bare(line) for line in first.lines]
        assert (told.decision, told.reason, told.status) == (first.decision, first.reason, first.status)


def _bare(line: Any) -> Any:
    return msgspec.structs.replace(line, place=line.place.rpartition("/")[2])


def _asked(step: dict[str, Any]) -> list[str] | None:
    """The arguments of `guard explain` for a step; None where it has none, for clocks and tampering."""
    if "tamper" in step or "skew" in step:
        return None
    who = {name: "+".join(value) if isinstance(value, list) else value for name, value in step["as"].items()}
    words = [name if value is True else f"{name}={value}" for name, value in who.items() if value != ""]
    body = step.get("body")
    told = (
        [] if body is None else ["--body", body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))]
    )
    form = ["-H", "content-type: application/x-www-form-urlencoded"] if isinstance(body, str) else []
    unsigned = ["--unsigned"] if "unsigned" in step else []
    return [*step["send"].split(" "), "--as", ",".join(words), *told, *form, *unsigned]


@settings(max_examples=_EXAMPLES)
@given(policy_files(), _requests())
def test_policy_test_explanation_and_judge_decide_alike(files: dict[str, str], steps: list[dict[str, Any]]) -> None:
    loaded = _loaded(files, steps)
    decided = _decided(_rules(loaded), loaded)
    expecting = [_expected(step, one.event) for step, one in zip(steps, decided, strict=True)]
    again = _loaded(files, expecting)
    verdict = rehearse(_rules(again), again.cases[0])
    assert verdict.failure is None, verdict.failure
    _assert_commands_agree(files, expecting, explain(_rehearsed(_rules(loaded), loaded)[0]))


def _in_shadow(files: Mapping[str, str], *, auth: bool = False) -> dict[str, str]:
    """All that a file's `mode` lowers; and `auth` too."""
    accepted = ", mode: shadow, allow_unauthenticated: true}"
    return {
        name: text.replace("\nmode: enforce\n", "\nmode: shadow\n").replace(
            "window: 5s}", f"window: 5s{accepted}" if auth else "window: 5s}"
        )
        for name, text in files.items()
    }


@settings(max_examples=_EXAMPLES)
@given(policy_files(), _requests())
def test_what_is_enforced_denies_first_is_what_shadow_records_and_lets_pass(
    files: dict[str, str], steps: list[dict[str, Any]]
) -> None:
    """To the first denial both have spent the same and say the same. From then on shadow has spent more; but whatever
    neither a limit nor abuse decides is decided as before (but for replays: what a limit refused was not seen by all).
    """
    loaded, shadow = _loaded(files, steps), _loaded(_in_shadow(files), steps)
    enforced, shadowed = _decided(_rules(loaded), loaded), _decided(_rules(shadow), shadow)
    together = True
    for step, one, other in zip(steps, enforced, shadowed, strict=True):
        assert not other.reason.startswith(_SHADOWABLE)
        together = together and not one.held_back
        if together and one.reason.startswith(_SHADOWABLE):
            assert one.reason in other.event.shadow
            together = False
        elif together:
            left, right = (msgspec.structs.replace(_said(each.event), policy=None) for each in (one, other))
            assert left == right
        elif not any("replay" in each for each in steps) and not one.reason.startswith(_SHADOWABLE):
            assert one.reason == other.reason, step


@settings(max_examples=_EXAMPLES)
@given(policy_files(), _requests())
def test_a_limit_in_shadow_records_what_it_would_deny_if_it_alone_were_enforced(
    files: dict[str, str], steps: list[dict[str, Any]]
) -> None:
    """Request for request, to the end, and with the same tokens left: what it refuses, it takes nothing for."""
    shadow = _loaded(_in_shadow(files), steps)
    rules = Rules(_rules(shadow))
    shadowed = _decided(rules.current, shadow)
    for limit in _always_asked(rules.current):
        rules.override((override(f"limits.{limit}", Mode.ENFORCE),))
        alone = _decided(rules.current, shadow)
        for step, one, other in zip(steps, alone, shadowed, strict=True):
            if "replay" in step:
                break  # what it refused was not seen, and may be sent again
            assert (one.reason == f"limit.{limit}") == (f"limit.{limit}" in other.event.shadow)
            left, right = (one.event.buckets or {}).get(limit), (other.event.buckets or {}).get(limit)
            assert left is None or right is None or left == right


def _always_asked(rules: Rulebook) -> list[str]:
    """The limits that no route has turned off."""
    modes: dict[str, set[Mode]] = {}
    for service in rules.policies.services:
        for route in service.routes.routes():
            for limit in (*route.limits_address, *route.limits_principal):
                modes.setdefault(limit.name, set()).add(limit.rule.mode)
    return sorted(name for name, found in modes.items() if found == {Mode.SHADOW})


@settings(max_examples=_EXAMPLES)
@given(policy_files(), _requests())
def test_auth_in_shadow_records_what_it_would_deny_and_denies_nobody(
    files: dict[str, str], steps: list[dict[str, Any]]
) -> None:
    """The first thing that it would deny for; the message goes on as nobody's."""
    shadow, open_to_all = _loaded(_in_shadow(files), steps), _loaded(_in_shadow(files, auth=True), steps)
    enforced, shadowed = _decided(_rules(shadow), shadow), _decided(_rules(open_to_all), open_to_all)
    for one, other in zip(enforced, shadowed, strict=True):
        assert not other.reason.startswith(_AUTH)
        would = [code for code in other.event.shadow if code.startswith(_AUTH)]
        if one.reason.startswith(_AUTH):
            assert would[:1] == [one.reason]
        elif not other.event.reason:
            assert (one.reason, would) == ("allow", [])
