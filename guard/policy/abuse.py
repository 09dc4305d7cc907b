"""The abuse section of one service: compiled into a table from events to signals, and what is wrong with it.

Every `on` is resolved here, so that an event of which nobody wants to know costs one look into a dictionary.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import structs

from guard.model.abuse import AbusePolicy, Action, Distinct, Rung, Signal, SubjectKind
from guard.model.reasons import TABLE
from guard.model.rules import Mode, Rule
from guard.policy.abuse_schema import AbusePart, RungPart, SignalPart
from guard.policy.auth import route_reads
from guard.policy.diagnostic import Diagnostic, did_you_mean, quoted
from guard.policy.document import Document, Path
from guard.policy.heuristics import shipped_signals
from guard.policy.modes import lowest
from guard.policy.schema import PolicyFile, RoutePart
from guard.policy.units import spelled

OUTCOMES: Final = tuple(f"outcome.{digit}xx" for digit in range(1, 6))
"""Events of answers of the backend, by the first digit of their status."""

_PROVED: Final = ("authz.", "limit.", "outcome.", "upstream.")
"""Events that name a key only where it was proved to be its holder's."""

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_DEFAULT_LADDER: Final = (
    Rung(at=20, action=Action.SLOW, delay_ms=250, terms_ms=(60_000,)),
    Rung(at=40, action=Action.THROTTLE, percent=25, terms_ms=(300_000,)),
    Rung(at=60, action=Action.QUARANTINE, terms_ms=(900_000,)),
    Rung(
        at=80,
        action=Action.BAN,
        terms_ms=(120_000, 600_000, _HOUR_MS, 12 * _HOUR_MS, 3 * _DAY_MS),
        forgive_ms=7 * _DAY_MS,
    ),
)
_DELAY_MS_MAX: Final = 2_000
_DISTINCT_MAX: Final = 100
_OVER_MS: Final = (1_000, _DAY_MS)
_HALF_LIFE_MS: Final = (1_000, 7 * _DAY_MS)
_TERM_MS: Final = (1_000, 30 * _DAY_MS)
_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "slow": frozenset({"delay", "for_"}),
    "throttle": frozenset({"to", "for_", "forgive"}),
    "quarantine": frozenset({"for_", "forgive"}),
    "ban": frozenset({"for_", "forgive"}),
}
_NEEDED: Final = {"slow": "delay", "throttle": "to", "quarantine": "for_", "ban": "for_"}


def compile_abuse(document: Document, policy: PolicyFile) -> AbusePolicy | None:
    """The section, of a policy with which `abuse_faults` finds nothing wrong; None where there is none."""
    part = policy.abuse
    if part is None:
        return None
    section = lowest(policy.mode, part.mode)
    codes = _codes(policy)
    signals = tuple(
        (_signal(policy, _rule(document, place, name, lowest(section, one.mode)), one), _matches(one.on, codes))
        for place, name, one in _watched(part)
    )
    compiled = AbusePolicy(
        rule=Rule("abuse", document.name, document.span(("abuse",), key=True).line, section),
        half_life_ms=part.score.half_life,
        by_code={},
        by_status=(),
        ladder=tuple(map(_rung, part.ladder)) or _DEFAULT_LADDER,
        exempt_ips=part.exempt.ips,
        exempt_keys=frozenset(part.exempt.keys),
        max_banned_percent=part.max_banned,
    )
    return with_signals(compiled, signals)


def with_signals(policy: AbusePolicy, signals: tuple[tuple[Signal, frozenset[str]], ...]) -> AbusePolicy:
    """The same, watching for these: each signal with the codes that it is on. Those that are off find nothing."""
    meant = [(signal, codes) for signal, codes in signals if signal.rule.mode is not Mode.OFF]
    found = {code for _, codes in meant for code in codes}
    by_code = {code: tuple(signal for signal, codes in meant if code in codes) for code in sorted(found)}
    return structs.replace(
        policy,
        by_code=by_code,
        by_status=((), *(by_code.get(code, ()) for code in OUTCOMES)),
        tries=len({signal.rule.mode for signal, _ in meant}) > 1,
        signals=signals,
    )


def abuse_faults(document: Document, policy: PolicyFile) -> list[Diagnostic]:
    """Signals on nothing, signals that strike the wrong one, rungs that lead nowhere, and numbers out of range."""
    part = policy.abuse
    if part is None:
        return []
    faults = [*_use_faults(document, part), *_time_fault(document, part.score.half_life, _HALF_LIFE_MS, "score")]
    codes = _codes(policy)
    known = {route.group for route in policy.routes.values() if route.group} | set(policy.routes)
    for name, one in part.signals.items():
        place = ("abuse", "signals", name)
        faults += [*_event_faults(document, place, one, codes), *_count_faults(document, place, one)]
        for position, entry in enumerate(one.routes):
            if entry not in known:
                message = f"no route or group {quoted(entry)}"
                faults.append(
                    document.fault("P201", (*place, "routes", position), message, help_text=did_you_mean(entry, known))
                )
    return [*faults, *_ladder_faults(document, part)]


def _watched(part: AbusePart) -> Iterator[tuple[Path, str, SignalPart]]:
    """Every signal, and where this file speaks of it."""
    shipped = shipped_signals()
    yield from ((("abuse", "use", position), name, shipped[name]) for position, name in enumerate(part.use))
    yield from ((("abuse", "signals", name), name, one) for name, one in part.signals.items())


def _rule(document: Document, place: Path, name: str, mode: Mode) -> Rule:
    return Rule(f"abuse.{name}", document.name, document.span(place, key=True).line, mode)


def _signal(policy: PolicyFile, rule: Rule, part: SignalPart) -> Signal:
    routes = frozenset(key for key, route in policy.routes.items() if _is_about(part, key, route))
    return Signal(
        name=rule.name.removeprefix("abuse."),
        rule=rule,
        per=SubjectKind(part.per),
        points=part.points,
        over_ms=part.over or 0,
        at_least=part.at_least,
        distinct=None if part.distinct is None else Distinct(part.distinct),
        routes=routes if part.routes or part.of else None,
        slower_than_ms=part.slower_than or 0,
    )


def _is_about(part: SignalPart, key: str, route: RoutePart) -> bool:
    if part.routes and not {key, route.group} & set(part.routes):
        return False
    return part.of is None or part.of == _kind(key, route)


def _kind(key: str, route: RoutePart) -> str | None:
    if route.priority == "critical":
        return "cancels"
    if route_reads(key, route):
        return "reads"
    return None if route.auth == "none" else "orders"


def _rung(part: RungPart) -> Rung:
    return Rung(
        at=part.at,
        action=Action(part.action),
        delay_ms=part.delay or 0,
        percent=part.to or 100,
        terms_ms=part.for_ or (60_000,),
        forgive_ms=part.forgive or 0,
    )


def _codes(policy: PolicyFile) -> tuple[str, ...]:
    """Every code that a request to this service can end with."""
    reasons = (row.code for row in TABLE if row.code != "limit.*")
    return (*reasons, *(f"limit.{name}" for name in policy.limits.named), *OUTCOMES)


def _matches(on: str, codes: tuple[str, ...]) -> frozenset[str]:
    pattern = re.compile(".*".join(map(re.escape, on.split("*"))))
    return frozenset(code for code in codes if pattern.fullmatch(code))


def _use_faults(document: Document, part: AbusePart) -> Iterator[Diagnostic]:
    shipped = shipped_signals()
    for position, name in enumerate(part.use):
        place = ("abuse", "use", position)
        if name not in shipped:
            message = f"guard ships no signal {quoted(name)}"
            yield document.fault("P216", place, message, help_text=did_you_mean(name, shipped))
        elif name in part.signals or name in part.use[:position]:
            message = f"{quoted(name)} is there twice"
            yield document.fault("P216", place, message, help_text="leave it out of `use`, or name your own otherwise")


def _event_faults(document: Document, place: Path, part: SignalPart, codes: tuple[str, ...]) -> Iterator[Diagnostic]:
    matched = _matches(part.on, codes)
    if not matched:
        hint = did_you_mean(part.on, codes)
        yield document.fault("P215", (*place, "on"), f"nothing ever ends with {quoted(part.on)}", help_text=hint)
    strangers = sorted(code for code in matched if not code.startswith(_PROVED))
    if part.per != "ip" and strangers:  # knockout: strangers_score_no_key
        message = f"anyone can cause {quoted(strangers[0])} in the name of any {part.per}"
        yield document.fault("P402", (*place, "per"), message, help_text="write `per: ip`, or narrow `on`")
    answers = all(code in OUTCOMES for code in matched)
    if part.slower_than is not None and not answers:
        message = "`slower_than` is about answers of the backend, and `on` matches more"
        yield document.fault("P110", (*place, "slower_than"), message, help_text="write `on: outcome.*`", key=True)


def _count_faults(document: Document, place: Path, part: SignalPart) -> Iterator[Diagnostic]:
    if part.over is None and (part.at_least > 1 or part.distinct is not None):
        field = "at_least" if part.at_least > 1 else "distinct"
        yield document.fault(
            "P105", (*place, field), f"`{field}` needs to know within what time", help_text="add `over`"
        )
    if part.distinct is not None and not 1 < part.at_least <= _DISTINCT_MAX:
        message = f"of different values from 2 to {_DISTINCT_MAX} can be asked for"
        yield document.fault("P107", (*place, "at_least"), message, help_text="write `at_least`")
    if part.over is not None:
        yield from _time_fault(document, part.over, _OVER_MS, "signals", place[-1], "over")


def _ladder_faults(document: Document, part: AbusePart) -> Iterator[Diagnostic]:
    before = 0
    for position, rung in enumerate(part.ladder):
        place = ("abuse", "ladder", position)
        if rung.at <= before:
            yield document.fault("P107", (*place, "at"), f"must be above {before}, the rung before it")
        before = max(before, rung.at)
        given = rung.model_fields_set - {"at", "action"}
        for field in sorted(given - _FIELDS[rung.action]):
            name = field.rstrip("_")
            message = f"{quoted(name)} means nothing for {quoted(rung.action)}"
            yield document.fault("P110", (*place, name), message, help_text="leave it out", key=True)
        needed = _NEEDED[rung.action]
        if needed not in given:
            yield document.fault("P105", place, f"{quoted(rung.action)} needs `{needed.rstrip('_')}`")
        if rung.delay is not None and rung.delay > _DELAY_MS_MAX:
            yield document.fault("P107", (*place, "delay"), f"at most {spelled(_DELAY_MS_MAX)}")
        if rung.action != "ban" and len(rung.for_ or ()) > 1:
            yield document.fault("P110", (*place, "for"), "only a ban grows longer each time", help_text="write one")
        for term in rung.for_ or ():
            yield from _time_fault(document, term, _TERM_MS, "ladder", position, "for")


def _time_fault(document: Document, ms: int, bounds: tuple[int, int], *place: str | int) -> Iterator[Diagnostic]:
    least, most = bounds
    if not least <= ms <= most:
        path: Path = ("abuse", *place)
        yield document.fault("P107", path, f"at least {spelled(least)}, at most {spelled(most)}")
