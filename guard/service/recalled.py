"""A decision of the log, explained: what its line says, in the layout of `explain`, beside the policy as it is now."""

from collections.abc import Iterator

from guard.core.routing import route_for
from guard.model.decision import DecisionEvent, Deny
from guard.model.policy import PolicySet, Route, Service
from guard.service.explain import Explanation, Line, Verdict
from guard.service.remedies import remedy


def recall(event: DecisionEvent, policies: PolicySet) -> Explanation:
    """What the line says. Places are those of the policy as it is now, and only if it still has what the line names."""
    service = next((one for one in policies.services if one.name == event.service), None)
    changed = service is not None and service.digest != event.policy
    return Explanation(
        decision=event.decision,
        reason=event.reason,
        status=event.status,
        service=event.service,
        policy=event.policy,
        mode=None if service is None else service.mode.value,
        lines=tuple(_lines(event, service)),
        remedy=remedy(Deny(code=event.reason)) if event.decision == "deny" and event.reason is not None else "",
        note=f"the policy is another now: {event.service}@{service.digest}" if service is not None and changed else "",
    )


def _lines(event: DecisionEvent, service: Service | None) -> Iterator[Line]:
    route = None if service is None or event.route is None else _route(service, event.route)
    named = _subject(event.reason) if event.decision == "deny" and event.reason is not None else ""
    place = "" if event.rule is None else event.rule.rpartition("(")[2].rstrip(")")
    known = {
        "route": (_words(event.route or event.method, _say("cost", event.cost)), _place(route)),
        "ip": (event.ip or "", ""),
        "auth": (_words(event.scheme, _say("skew", event.skew_ms, " ms")), ""),
        "key": (_words(event.key, _say("account", event.account)), ""),
    }
    for subject, (detail, where) in known.items():
        decided = subject == named
        if detail or decided:
            verdict = Verdict.DENY if decided else Verdict.PASS
            yield Line(
                subject=subject,
                verdict=verdict,
                detail=detail,
                place=(place if decided else "") or where,
                decided=decided,
            )
    limits = {} if route is None else {limit.name: limit for limit in (*route.limits_address, *route.limits_principal)}
    for name, (remaining, capacity) in (event.buckets or {}).items():
        subject = f"limit.{name}"
        rule = limits[name].rule if name in limits else None
        verdict = Verdict.DENY if subject == named else Verdict.WOULD if subject in event.shadow else Verdict.PASS
        where = "" if rule is None else f"{rule.file}:{rule.line}"
        yield Line(
            subject=subject,
            verdict=verdict,
            detail=f"{remaining}/{capacity}",
            place=where,
            decided=subject == named,
        )
    told = {*known, *(f"limit.{name}" for name in event.buckets or {})}
    for code in event.shadow:
        if code not in told:
            yield Line(subject=code, verdict=Verdict.WOULD, detail="[shadow]")
    if named and named not in told:
        yield Line(subject=named, verdict=Verdict.DENY, detail=event.error or "", place=place, decided=True)


def _subject(reason: str) -> str:
    """The subject that a reason is about; a limit's is the reason itself."""
    family, _, word = reason.partition(".")
    if family in ("route", "request"):
        return "route"
    if family == "auth":
        return "key" if word.endswith("_key") and word != "unknown_key" else "auth"
    return {"authz.ip": "key", "authz.scope": "route", "abuse.address_denied": "ip"}.get(reason, reason)


def _route(service: Service, name: str) -> Route | None:
    """The route of this name, found as a request to its template would find it."""
    method, _, path = name.partition(" ")
    found = route_for(service, method, path.encode())
    return found if isinstance(found, Route) and found.name == name else None


def _place(route: Route | None) -> str:
    return "" if route is None else f"{route.rule.file}:{route.rule.line}"


def _say(name: str, value: object, unit: str = "") -> str:
    return "" if value is None else f"{name}={value}{unit}"


def _words(*parts: str | None) -> str:
    return "  ".join(part for part in parts if part)
