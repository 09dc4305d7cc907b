"""Policy tests as they are to be run: each step with its place in the text, names looked up. Nothing is run here.

What a test expects must exist: a reason that nothing can give, or a limit that is not there, is a slip of the pen that
would make the test say less than it seems to.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from guard.model.facts import Field
from guard.model.keys import KeyAlgorithm, KeyUse
from guard.model.reasons import TABLE
from guard.policy.case_schema import ExpectPart, FixturePart, OneCasePart, StepPart
from guard.policy.diagnostic import Diagnostic, did_you_mean, quoted
from guard.policy.document import Document, Path

REQUESTS_MAX: Final = 20_000
"""How many requests the tests of one directory may send in all: they run whenever it is loaded."""

ALLOW: Final = "allow"
_CODES: Final = frozenset(row.code for row in TABLE) - {"limit.*"}


class Fixture(msgspec.Struct, frozen=True, kw_only=True):
    """Who sends it. `account` None is one of the key's own; `scheme` and `algorithm` None are the first that fit."""

    key: str = "t1"
    account: str | None = None
    scopes: frozenset[str] = frozenset()
    tier: str | None = None
    ip: str = "203.0.113.7"
    scheme: str | None = None
    algorithm: KeyAlgorithm | None = None
    networks: tuple[str, ...] = ()
    uses: tuple[KeyUse, ...] = ()
    only: Mapping[str, tuple[str, ...]] = {}
    expired: bool = False
    revoked: bool = False
    unknown: bool = False


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """What is to come of a step. What is None or empty may be anything.

    `counts` says how many requests there are of each outcome, `decision` and `reason` what every one of them is; the
    others are about the last one.
    """

    counts: Mapping[str, int] = {}
    decision: str | None = None
    reason: str | None = None
    status: int | None = None
    cost: int | None = None
    remaining: Mapping[str, int] = {}
    header: Mapping[str, str] = {}
    shadow: tuple[str, ...] | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One request, sent `times` times `wait_ms` later; or only the wait. `path` is its place in the case's document.

    The backend answers it with `status` and `fields`, if it is asked.
    """

    path: Path
    request: tuple[str, str] | None = None
    replay: str | None = None
    save: str | None = None
    fixture: Fixture = Fixture()
    body: bytes = b""
    content_type: str | None = None
    headers: Mapping[str, str] = {}
    skew_ms: int = 0
    unsigned: bool = False
    tamper: Literal["body", "path", "signature"] | None = None
    times: int = 1
    wait_ms: int = 0
    store_down: bool = False
    status: int = 200
    fields: tuple[Field, ...] = ()
    expect: Expectation | None = None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One policy test of one service, in its document."""

    service: str
    name: str
    document: Document
    path: Path
    steps: tuple[Step, ...]
    todo: bool = False

    @property
    def place(self) -> str:
        """`file:line` of it."""
        return f"{self.document.file}:{self.document.span(self.path).line}"


def compile_cases(
    document: Document, service: str, parts: Sequence[OneCasePart], limits: frozenset[str]
) -> tuple[tuple[Case, ...], list[Diagnostic]]:
    """The tests of one file, and what is wrong with them. `limits` are those of the service, by name."""
    cases: list[Case] = []
    faults: list[Diagnostic] = []
    for position, part in enumerate(parts):
        path: Path = ("tests", position)
        found = [*_case_faults(document, path, part)]
        steps = _steps(path, part)
        for where, step in steps:
            found += _step_faults(document, where, step, limits)
        found += _replay_faults(document, steps)
        faults += found
        if not found:
            cases.append(_case(document, service, position, part, steps))
    return tuple(cases), faults


def too_many(cases: Sequence[Case]) -> Diagnostic | None:
    """What is wrong if the tests of a directory send more requests than may be sent at each load."""
    sent = 0
    for case in cases:
        for step in case.steps:
            sent += step.times
            if sent > REQUESTS_MAX:
                message = f"more than {REQUESTS_MAX:,} requests in the tests of one directory"
                hint = "they run at every load: use smaller limits in `times`"
                return case.document.fault("P602", step.path, message, help_text=hint)
    return None


def _steps(path: Path, part: OneCasePart) -> list[tuple[Path, StepPart]]:
    if part.steps is None:
        return [(path, part)]
    return [((*path, "steps", index), step) for index, step in enumerate(part.steps)]


def _case_faults(document: Document, path: Path, part: OneCasePart) -> Iterator[Diagnostic]:
    if part.steps is None:
        return
    for name in sorted(part.model_fields_set - {"name", "steps", "todo", "as_"}):
        message = f"{quoted(name)} belongs to a step of `steps`"
        yield document.fault("P110", (*path, name), message, key=True)


def _step_faults(document: Document, path: Path, step: StepPart, limits: frozenset[str]) -> Iterator[Diagnostic]:
    given = step.model_fields_set
    if step.send is None and step.replay is None and (step.wait is None or step.expect is not None):
        yield document.fault("P105", path, "a step says what it sends", help_text="write `send` or `replay`")
        return
    if step.send is None:
        for name in sorted(given & {"save", "body", "headers", "skew", "unsigned", "tamper"}):
            message = f"{quoted(name)} belongs to `send`"
            yield document.fault("P110", (*path, name), message, key=True)
    elif step.replay is not None:
        yield document.fault("P110", (*path, "replay"), "`send` and `replay` exclude one another", key=True)
    if step.unsigned and step.tamper == "signature":
        yield document.fault("P110", (*path, "tamper"), "without credentials there is no signature", key=True)
    if step.expect is not None:
        yield from _expect_faults(document, (*path, "expect"), step.expect, step.times, limits)


def _expect_faults(
    document: Document, path: Path, expect: ExpectPart, times: int, limits: frozenset[str]
) -> Iterator[Diagnostic]:
    known = _CODES | {f"limit.{name}" for name in limits}
    named: list[tuple[Path, str]] = [((*path, code), code) for code in expect.counts if code != ALLOW]
    if expect.reason is not None:
        named.append(((*path, "reason"), expect.reason))
    named += [((*path, "shadow", index), code) for index, code in enumerate(expect.shadow or ())]
    for place, code in named:
        if code not in known:
            message = f"nothing here is ever refused with {quoted(code)}"
            yield document.fault("P207", place, message, help_text=did_you_mean(code, known | {ALLOW}))
    for name in expect.remaining:
        if name not in limits:
            message, hint = f"no limit {quoted(name)}", did_you_mean(name, limits)
            yield document.fault("P207", (*path, "remaining", name), message, help_text=hint, key=True)
    total = sum(expect.counts.values())
    if expect.counts and total != times:
        message = f"these are {total} outcomes, of {times} requests"
        yield document.fault("P107", path, message, key=True)
    if expect.decision == ALLOW and expect.reason is not None:
        yield document.fault("P110", (*path, "reason"), "what is let through has no reason", key=True)


def _replay_faults(document: Document, steps: Sequence[tuple[Path, StepPart]]) -> Iterator[Diagnostic]:
    saved: set[str] = set()
    for path, step in steps:
        if step.replay is not None and step.replay not in saved:
            message = f"no step before it saves {quoted(step.replay)}"
            yield document.fault("P207", (*path, "replay"), message, help_text=did_you_mean(step.replay, saved))
        if step.save is not None:
            saved.add(step.save)


def _case(
    document: Document, service: str, position: int, part: OneCasePart, steps: Sequence[tuple[Path, StepPart]]
) -> Case:
    return Case(
        service=service,
        name=part.name or _made_up_name(position, part),
        document=document,
        path=("tests", position),
        steps=tuple(_step(path, step, step.as_ or part.as_ or FixturePart()) for path, step in steps),
        todo=part.todo,
    )


def _made_up_name(position: int, part: OneCasePart) -> str:
    if part.send is None:
        return f"test {position + 1}"
    expect = part.expect
    outcome = "" if expect is None else expect.reason or expect.decision or ""
    return " ".join(part.send) + (f": {outcome}" if outcome else "")


def _step(path: Path, part: StepPart, who: FixturePart) -> Step:
    body, content_type = _body(part.body)
    return Step(
        path=path,
        request=part.send,
        replay=part.replay,
        save=part.save,
        fixture=fixture_of(who),
        body=body,
        content_type=content_type,
        headers=part.headers,
        skew_ms=part.skew or 0,
        unsigned=part.unsigned,
        tamper=part.tamper,
        times=part.times,
        wait_ms=part.wait or 0,
        store_down=part.store == "down",
        status=part.answer.status,
        fields=tuple((name.encode(), value.encode()) for name, value in part.answer.headers.items()),
        expect=None if part.expect is None else Expectation(**part.expect.model_dump()),
    )


def fixture_of(who: FixturePart) -> Fixture:
    """Who that is."""
    given = {**who.model_dump(), "scopes": frozenset(who.scopes), "uses": tuple(KeyUse(use) for use in who.uses)}
    return Fixture(**{**given, "algorithm": None if who.algorithm is None else KeyAlgorithm(who.algorithm)})


def _body(value: object) -> tuple[bytes, str | None]:
    """The bytes, and what to say that they are unless the step says so."""
    if value is None:
        return b"", None
    if not isinstance(value, str):
        return msgspec.json.encode(value), "application/json"
    looks_like_json = value.lstrip()[:1] in ("{", "[")
    return value.encode(), "application/json" if looks_like_json else "application/x-www-form-urlencoded"
