"""What can be wrong with the abuse section of one service. See `abuse.py`."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from guard.policy.abuse import OUTCOMES, codes_of, crowd_codes, matches
from guard.policy.abuse_schema import AbusePart, CounterpartPart, SignalPart
from guard.policy.diagnostic import Diagnostic, did_you_mean, quoted
from guard.policy.document import Document, Path
from guard.policy.schema import PolicyFile
from guard.policy.units import spelled

_PROVED: Final = ("authz.", "limit.", "outcome.", "upstream.")
"""Events that name a key only where it was proved to be its holder's."""

_DAY_MS: Final = 86_400_000
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


def abuse_faults(document: Document, policy: PolicyFile) -> list[Diagnostic]:
    """Signals on nothing, signals that strike the wrong one, rungs that lead nowhere, and numbers out of range."""
    part = policy.abuse
    if part is None:
        return []
    faults = [*_time_fault(document, part.score.half_life, _HALF_LIFE_MS, "score")]
    codes, crowd = codes_of(policy), crowd_codes(policy)
    known = {route.group for route in policy.routes.values() if route.group} | set(policy.routes)
    for name, one in part.signals.items():
        place = ("abuse", "signals", name)
        faults += [*_event_faults(document, place, one, codes), *_count_faults(document, place, one)]
        faults += _crowd_faults(document, (*place, "on"), one.per, matches(one.on, codes), crowd)
        faults += _route_faults(document, place, one.routes, known)
        if one.ratio is not None:
            faults += _ratio_faults(document, (*place, "ratio", "to"), one, one.ratio.to, codes)
            faults += _route_faults(document, (*place, "ratio", "to"), one.ratio.to.routes, known)
            other = frozenset() if one.ratio.to.on is None else matches(one.ratio.to.on, codes)
            faults += _crowd_faults(document, (*place, "ratio", "to", "on"), one.per, other, crowd)
    return [*faults, *_ladder_faults(document, part)]


def _event_faults(document: Document, place: Path, part: SignalPart, codes: tuple[str, ...]) -> Iterator[Diagnostic]:
    matched = matches(part.on, codes)
    if not matched:
        hint = did_you_mean(part.on, codes)
        yield document.fault("P215", (*place, "on"), f"nothing ever ends with {quoted(part.on)}", help_text=hint)
    strangers = sorted(code for code in matched if not code.startswith(_PROVED))
    if part.per != "ip" and strangers:  # knockout: strangers_score_no_key
        message = f"anyone can cause {quoted(strangers[0])} in the name of any {part.per}"
        yield document.fault("P402", (*place, "per"), message, help_text="write `per: ip`, or narrow `on`")
    if part.slower_than is not None and not _are_answers(matched):
        message = "`slower_than` is about answers of the backend, and `on` matches more"
        yield document.fault("P110", (*place, "slower_than"), message, help_text="write `on: outcome.*`", key=True)


def _crowd_faults(
    document: Document, place: Path, per: str, matched: frozenset[str], crowd: frozenset[str]
) -> Iterator[Diagnostic]:
    """A key is not to blame for a limit that others can exhaust, and not known where addresses are counted."""
    if per != "ip" and matched and matched <= crowd:  # knockout: crowds_score_no_key
        message = f"{quoted(min(matched))} counts neither keys nor accounts, so it tells nothing of one {per}"
        hint = "write `per: ip`, or name a limit that counts keys or accounts"
        yield document.fault("P402", place, message, help_text=hint)


def _route_faults(
    document: Document, place: Path, routes: tuple[str, ...], known: Collection[str]
) -> Iterator[Diagnostic]:
    for position, entry in enumerate(routes):
        if entry not in known:
            message = f"no route or group {quoted(entry)}"
            yield document.fault("P201", (*place, "routes", position), message, help_text=did_you_mean(entry, known))


def _ratio_faults(
    document: Document, place: Path, part: SignalPart, to: CounterpartPart, codes: tuple[str, ...]
) -> Iterator[Diagnostic]:
    if part.over is None or part.at_least == 1:
        message = "of few events no ratio says anything"
        yield document.fault("P105", place[:-1], message, help_text="add `over` and `at_least`", key=True)
    if part.distinct is not None:
        message = "`ratio` is about events, and not about different values"
        yield document.fault("P110", (*place[:-2], "distinct"), message, help_text="leave it out", key=True)
    if to.on is None and to.response_header is None:
        yield document.fault(
            "P105", place, "a ratio is to something", help_text="add `on` or `response_header`", key=True
        )
    if to.on is not None and to.response_header is not None:
        message = "`on` and `response_header` exclude one another"
        yield document.fault("P110", (*place, "response_header"), message, key=True)
    if to.on is not None and not matches(to.on, codes):
        hint = did_you_mean(to.on, codes)
        yield document.fault("P215", (*place, "on"), f"nothing ever ends with {quoted(to.on)}", help_text=hint)
    if to.response_header is not None and not _are_answers(matches(part.on, codes)):
        message = "only answers of the backend have fields, and `on` matches more"
        yield document.fault("P110", (*place, "response_header"), message, help_text="write `on: outcome.*`", key=True)


def _are_answers(codes: Collection[str]) -> bool:
    return all(code in OUTCOMES for code in codes)


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
