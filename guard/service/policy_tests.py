"""Policy tests, run: each request of a test through a rehearsal, and what came of it beside what was expected."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from guard.model.decision import Deny
from guard.model.names import UnixMs
from guard.policy.cases import ALLOW, Case, Expectation, Step
from guard.policy.diagnostic import Diagnostic, quoted
from guard.policy.document import Path
from guard.service.rehearsal import Heard, Rehearsal
from guard.service.rulebook import Rulebook
from guard.signing.writing import CannotSign, Request


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a test: the first thing that was not as expected, if any, and the request that it was seen at; and
    which routes its requests came to, and which signals of abuse they made count.
    """

    case: Case
    failure: Diagnostic | None = None
    at: Heard | None = None
    routes: frozenset[str] = frozenset()
    signals: frozenset[str] = frozenset()


class Mismatch(msgspec.Struct, frozen=True):
    """Something that is not as expected. `path` is its place in the expectation; `at` is one request that shows it."""

    path: Path
    expected: str
    got: str
    at: Heard


def rehearse(rules: Rulebook, case: Case) -> Verdict:
    """Run one test, from fresh buckets on, to its first step that does not come out as expected."""
    rehearsal = Rehearsal(rules)
    saved: dict[str, Request] = {}
    routes: set[str] = set()
    for step in case.steps:
        rehearsal.now = UnixMs(rehearsal.now + step.wait_ms)
        try:
            heard = outcomes(rehearsal, case.service, step, saved)
        except CannotSign as fault:
            return Verdict(case=case, failure=case.document.fault("P603", step.path, f"{quoted(case.name)}: {fault}"))
        routes.update(one.judgement.routed.route.name for one in heard if one.judgement.routed is not None)
        wrong = None if step.expect is None else mismatch(step.expect, heard)
        if wrong is not None:
            return Verdict(case=case, failure=_failure(case, step, wrong), at=wrong.at)
    return Verdict(case=case, routes=frozenset(routes), signals=frozenset(rehearsal.signals))


def mismatch(expect: Expectation, heard: Sequence[Heard]) -> Mismatch | None:
    """The first thing that is not as expected of these requests, which are one step."""
    return next(_mismatches(expect, heard), None)


def outcomes(rehearsal: Rehearsal, service: str, step: Step, saved: dict[str, Request]) -> list[Heard]:
    """What comes of what the step sends, as often as it says. Raises CannotSign."""
    rehearsal.store.is_down = step.store_down
    heard: list[Heard] = []
    for _ in range(step.times):
        if step.request is not None:
            request = _made(rehearsal, service, step, step.request)
        elif step.replay is not None:
            request = saved[step.replay]
        else:
            break
        heard.append(rehearsal.send(request, step.fixture.ip, step.status, step.fields))
        if step.save is not None:
            saved[step.save] = request
    return heard


def _made(rehearsal: Rehearsal, service: str, step: Step, wanted: tuple[str, str]) -> Request:
    method, target = wanted
    headers = dict(step.headers)
    if step.content_type is not None:
        headers.setdefault("content-type", step.content_type)
    request = rehearsal.request(service, method, target, headers, step.body)
    if step.unsigned:
        return request
    return rehearsal.signed(request, step.fixture, skew_ms=step.skew_ms, forged=step.tamper)


def _mismatches(expect: Expectation, heard: Sequence[Heard]) -> Iterator[Mismatch]:
    last = heard[-1]
    if expect.counts:
        got = Counter(one.outcome for one in heard)
        if got != Counter({code: count for code, count in expect.counts.items() if count}):
            odd = next((one for one in heard if got[one.outcome] > expect.counts.get(one.outcome, 0)), last)
            yield Mismatch((), _counted(expect.counts), _counted(got), odd)
    for one in heard:
        if expect.reason is not None and one.outcome != expect.reason:
            yield Mismatch((), quoted(expect.reason), _told(one), one)
        if expect.decision is not None and one.event.decision != expect.decision:
            yield Mismatch((), quoted(expect.decision), _told(one), one)
    if expect.status is not None and last.status != expect.status:
        yield Mismatch(("status",), f"status {expect.status}", str(last.status), last)
    if expect.cost is not None and last.event.cost != expect.cost:
        yield Mismatch(("cost",), f"a cost of {expect.cost}", str(last.event.cost), last)
    yield from _room(expect, last)
    if expect.shadow is not None and set(expect.shadow) != set(last.event.shadow):
        yield Mismatch(("shadow",), f"in shadow {_listed(expect.shadow)}", _listed(last.event.shadow), last)


def _room(expect: Expectation, last: Heard) -> Iterator[Mismatch]:
    buckets = last.event.buckets or {}
    for name, remaining in expect.remaining.items():
        left = buckets.get(name)
        if left is None or left[0] != remaining:
            got = "a request that this limit does not count" if left is None else str(left[0])
            yield Mismatch(("remaining", name), f"{remaining} left of {quoted(name)}", got, last)
    fields = {name.lower(): value for name, value in last.fields}
    for name, value in expect.header.items():
        found = fields.get(name.encode())
        if found != value.encode():
            got = "none" if found is None else quoted(found.decode("latin-1"))
            yield Mismatch(("header", name), f"{name} {quoted(value)}", got, last)


def _failure(case: Case, step: Step, wrong: Mismatch) -> Diagnostic:
    message = f"{quoted(case.name)}: expected {wrong.expected}, got {wrong.got}"
    judged = wrong.at.judgement.outcome
    hint = ""
    if isinstance(judged, Deny):
        hint = f"decided by {judged.rule}" if judged.rule is not None else "guard itself decides that"
        hint += f": {judged.detail}" if judged.detail else ""
    return case.document.fault("P601", (*step.path, "expect", *wrong.path), message, help_text=hint)


def _told(heard: Heard) -> str:
    return quoted(ALLOW) if heard.outcome == ALLOW else f"{quoted(heard.outcome)} ({heard.status})"


def _counted(counts: Mapping[str, int]) -> str:
    return "{" + ", ".join(f"{code}: {count}" for code, count in sorted(counts.items()) if count) + "}"


def _listed(codes: Sequence[str]) -> str:
    return "[" + ", ".join(sorted(codes)) + "]"
