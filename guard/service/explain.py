"""One decision, explained: which checks held, which one said no, with what was counted and where each rule stands.

Nothing is decided again. The pipeline wrote down which check said no, and its order says what was asked before it and
what never was; the rest is read off the stage that the message reached. A check behind the one that said no cannot be
asked: what it would be asked about was never made.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import msgspec

from guard.core import pipeline
from guard.core.stages import Allow, Entered, Identified, Signed, Verified
from guard.model.decision import Deny
from guard.model.keys import KeyRecord
from guard.model.policy import Limit, Route
from guard.model.questions import Reading
from guard.model.rules import Mode, Rule
from guard.service.judge import Judgement
from guard.service.rehearsal import Heard
from guard.service.remedies import remedy

_ROUTED: Final = "route_is_known"  # no check: `core/routing.py` says it, between the first two tables
_MESSAGE: Final = tuple(check.__name__ for check in pipeline.MESSAGE)
_ORDER: Final = (
    *_MESSAGE,
    _ROUTED,
    *(check.__name__ for table in pipeline.ORDER[1:] for check in table),
)
_AGAIN: Final = frozenset(check.__name__ for table in (pipeline.BODY, pipeline.STILL) for check in table) | {
    "address_had_room",
}
"""Asked only where something had changed meanwhile: told if they decided."""

_COST: Final = "cost"
_SUBJECTS: Final = {
    **dict.fromkeys((*_MESSAGE, _ROUTED), "route"),
    **dict.fromkeys((check.__name__ for check in pipeline.ARRIVAL), "gateway"),
    **dict.fromkeys(
        ("address_is_permitted", "address_is_not_banned", "slow_address_may_wait", "address_may_use_route"), "ip"
    ),
    "address_has_room": "limits of the address",
    **dict.fromkeys(
        (
            check.__name__
            for table in (pipeline.CREDENTIALS, pipeline.SCREEN, pipeline.HEAD, pipeline.BODY, pipeline.WHO)
            for check in table
        ),
        "auth",
    ),
    "key_is_no_honeytoken": "key",
    "key_state_permits_use": "key",
    "key_is_not_banned": "key",
    "network_is_allowed": "key",
    "use_is_within_bounds": "bounds",
    "resources_are_within_bounds": "bounds",
    "scope_covers_route": "scope",
    "route_requirements_are_met": "require",
    **dict.fromkeys((check.__name__ for check in pipeline.DEPARTURE), "backend"),
    "key_is_not_buried": "nonce",
    "nonce_is_fresh": "nonce",
    "limits_have_room": "limits",
    "cost_is_told": _COST,
}
"""Under what name a check is told; one that is not here goes by its own."""

_LIMITS: Final = ("limits of the address", "limits")


class Verdict(StrEnum):
    """What a line says of its subject."""

    PASS = "pass"  # noqa: S105  # no password
    DENY = "DENY"
    WOULD = "would deny"
    NOT_REACHED = "not reached"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One subject. `decided` says that it ended the line; `place` is the file and line of its rule."""

    subject: str
    verdict: Verdict
    detail: str = ""
    place: str = ""
    decided: bool = False


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A decision with its lines, in the order in which they were asked."""

    decision: str
    reason: str | None
    status: int | None
    service: str | None
    policy: str | None
    mode: str | None
    lines: tuple[Line, ...]
    remedy: str = ""
    note: str = ""


def explain(heard: Heard) -> Explanation:
    """What came of one request, line by line."""
    judgement, event = heard.judgement, heard.event
    denied = judgement.outcome if isinstance(judgement.outcome, Deny) else None
    service = None if judgement.routed is None else judgement.routed.service
    return Explanation(
        decision=event.decision,
        reason=event.reason,
        status=heard.status,
        service=event.service,
        policy=event.policy,
        mode=None if service is None else service.mode.value,
        lines=tuple(_lines(judgement, denied)),
        remedy="" if denied is None else remedy(denied),
    )


def _lines(judgement: Judgement, denied: Deny | None) -> Iterator[Line]:
    """One for each run of checks of the same subject, and one for each limit."""
    said_no = None if denied is None else denied.check or _ROUTED
    shadow = {deny.check: deny for deny in judgement.shadow}
    ended = False
    priced = judgement.routed is not None and judgement.routed.route.pricing is not None
    names = [name for name in _ORDER if name not in _AGAIN or name == said_no]
    names = [name for name in names if priced or name == said_no or _SUBJECTS.get(name) != _COST]
    while names:
        subject = _SUBJECTS.get(names[0], names[0])
        group = [names.pop(0)]
        while names and _SUBJECTS.get(names[0], names[0]) == subject:
            group.append(names.pop(0))
        decides = said_no in group
        would = next((shadow[name] for name in group if name in shadow), None)
        if subject in _LIMITS:
            yield from _limit_lines(judgement, denied if decides else None, subject, reached=not ended)
        else:
            deny = denied if decides else would
            verdict = _verdict(decides=decides, ended=ended, would=would is not None)
            detail, rule = _detail(subject, judgement)
            yield Line(
                subject=subject,
                verdict=verdict,
                detail="" if verdict is Verdict.NOT_REACHED else _joined(detail, "" if deny is None else deny.detail),
                place=_place((deny.rule if deny is not None else None) or rule),
                decided=decides,
            )
        ended = ended or decides


def _verdict(*, decides: bool, ended: bool, would: bool) -> Verdict:
    if decides:
        return Verdict.DENY
    if ended:
        return Verdict.NOT_REACHED
    return Verdict.WOULD if would else Verdict.PASS


def _limit_lines(judgement: Judgement, denied: Deny | None, subject: str, *, reached: bool) -> Iterator[Line]:
    routed = judgement.routed
    if routed is None:
        return
    limits = routed.route.limits_address if subject == _LIMITS[0] else routed.route.limits_principal
    readings = {reading.limit.name: reading for reading in _readings(judgement, denied)}
    for limit in limits:
        yield _limit_line(limit, readings.get(limit.name), denied, reached=reached)
    if denied is not None and not denied.code.startswith("limit."):
        yield Line(subject=subject, verdict=Verdict.DENY, detail=denied.code, place=_place(denied.rule), decided=True)


def _limit_line(limit: Limit, reading: Reading | None, denied: Deny | None, *, reached: bool) -> Line:
    name, place = f"limit.{limit.name}", _place(limit.rule)
    if reading is None:
        off = limit.rule.mode is Mode.OFF
        verdict = Verdict.PASS if reached and denied is None else Verdict.NOT_REACHED
        return Line(subject=name, verdict=verdict, detail="[off]" if off else "", place=place)
    mode = "" if reading.vetoes else f"[{Mode.SHADOW.value}]"
    room = f"{reading.remaining}/{reading.limit.meter.capacity}"
    if not reading.short:
        nothing = "nothing taken: all or nothing" if denied is not None else ""
        return Line(subject=name, verdict=Verdict.PASS, detail=_joined(room, nothing, mode), place=place)
    wait = "can never fit" if reading.wait_ms is None else f"next at +{reading.wait_ms} ms"
    decided = denied is not None and denied.code == name
    verdict = Verdict.DENY if reading.vetoes else Verdict.WOULD
    detail = _joined(room, f"needs {reading.cost}", wait, mode)
    return Line(subject=name, verdict=verdict, detail=detail, place=place, decided=decided)


def _detail(subject: str, judgement: Judgement) -> tuple[str, Rule | None]:
    """What is known of the subject, and the rule that it stands under."""
    routed, identified = judgement.routed, judgement.identified
    if routed is None:
        return "", None
    route: Route = routed.route
    auth = None if route.auth is None else route.auth.rule
    match subject:
        case "route":
            return _joined(route.name, route.group and f"group={route.group}", f"cost={route.cost}"), route.rule
        case "ip":
            return routed.address, routed.service.client_ip.rule
        case "auth":
            return _auth(route, identified), auth
        case "key":
            record = _record(judgement)
            return "" if record is None else _joined(record.id, f"account={record.account}"), auth
        case "scope":
            return route.scope or "any key will do", route.rule
        case "cost":
            return _priced(judgement), route.rule
        case "nonce" | "bounds":
            return "", auth
        case _:
            return "", None


def _priced(judgement: Judgement) -> str:
    """The cost that was read out of the message."""
    match judgement.reached:
        case Allow():
            return f"cost={judgement.reached.verified.cost}"
        case Verified():
            return f"cost={judgement.reached.cost}"
        case _:
            return ""


def _auth(route: Route, identified: Identified | None) -> str:
    if route.auth is None:
        return "open to anyone"
    if identified is None or identified.claim is None or identified.window is None:
        return ""
    signed_at, window = identified.claim.signed_at, identified.window
    skew = "" if signed_at is None else f"skew {identified.at - signed_at:+} ms"
    within = "" if signed_at is None else f"of -{window.future_ms}/+{window.past_ms} ms"
    return _joined(identified.claim.scheme, _joined(skew, within, by=" "))


def _record(judgement: Judgement) -> KeyRecord | None:
    match judgement.reached:
        case Allow() | Verified():
            return judgement.reached.record
        case Signed():
            screened = judgement.reached.screened
            return screened.record if screened.unfit is None else None
        case _:
            return None


def _readings(judgement: Judgement, denied: Deny | None) -> tuple[Reading, ...]:
    reached = judgement.reached
    before = reached.readings if isinstance(reached, Allow | Verified | Identified | Entered) else ()
    if isinstance(judgement.identified, Identified) and not before:
        before = judgement.identified.readings
    return (*before, *(() if denied is None else denied.readings))


def _place(rule: Rule | None) -> str:
    return "" if rule is None else f"{rule.file}:{rule.line}"


def _joined(*parts: str | None, by: str = "  ") -> str:
    return by.join(part for part in parts if part)
