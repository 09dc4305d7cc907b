"""The limits of one service: compiled, and narrowed to the routes that they apply to."""

from collections.abc import Iterator, Mapping
from itertools import islice

from guard.model.policy import Bucket, Limit
from guard.model.rules import Rule
from guard.policy.diagnostic import Diagnostic, did_you_mean, quoted
from guard.policy.document import Document
from guard.policy.schema import LimitPart, PolicyFile, RoutePart
from guard.policy.values import TOKENS_MAX

_PERIOD_MS_MAX = 86_400_000
_DANGLING_MAX = 5
_FAULTS_MAX = 50


def compile_limits(document: Document, policy: PolicyFile) -> dict[str, Limit]:
    """Every limit by name."""
    return {name: _limit(document, name, part) for name, part in policy.limits.items()}


def limits_of(key: str, route: RoutePart, policy: PolicyFile, limits: Mapping[str, Limit]) -> tuple[Limit, ...]:
    """The limits that charge a request to this route. Who has no key there is counted by address (core/subjects.py)."""
    return tuple(limits[name] for name, part in policy.limits.items() if _names(part, key, route))


def limit_faults(document: Document, policy: PolicyFile) -> list[Diagnostic]:
    """Limits out of range, that name what is not there, that apply to nothing, or that a request can never pass."""
    faults: list[Diagnostic] = []
    known = {route.group for route in policy.routes.values() if route.group} | set(policy.routes)
    for name, part in policy.limits.items():
        if len(faults) >= _FAULTS_MAX:
            break
        found = [*_out_of_range(document, name, part), *islice(_dangling(document, name, part, known), _DANGLING_MAX)]
        faults += found or [*_too_costly(document, name, part, policy)]
    return faults


def _limit(document: Document, name: str, part: LimitPart) -> Limit:
    exposed = part.expose if part.expose is not None else bool({"key", "account"} & set(part.per))
    return Limit(
        name=name,
        rule=Rule(f"limits.{name}", document.name, document.span(("limits", name), key=True).line),
        meter=Bucket(part.burst or part.rate.tokens, part.rate.tokens, part.rate.period_ms),
        per=part.per,
        cost=part.cost,
        exposed=exposed,
    )


def _names(part: LimitPart, key: str, route: RoutePart) -> bool:
    names = {key, route.group}
    return (not part.routes or bool(names & set(part.routes))) and not names & set(part.except_)


def _out_of_range(document: Document, name: str, part: LimitPart) -> Iterator[Diagnostic]:
    if part.rate.tokens > TOKENS_MAX or part.rate.period_ms > _PERIOD_MS_MAX:
        yield document.fault("P107", ("limits", name, "rate"), f"at most {TOKENS_MAX:,} tokens, in at most a day")
    if len(set(part.per)) < len(part.per):
        yield document.fault("P110", ("limits", name, "per"), "the same dimension twice")


def _dangling(document: Document, name: str, part: LimitPart, known: set[str]) -> Iterator[Diagnostic]:
    for field, entries in (("routes", part.routes), ("except", part.except_)):
        for position, entry in enumerate(entries):
            if entry not in known:
                message = f"no route or group {quoted(entry)}"
                path = ("limits", name, field, position)
                yield document.fault("P201", path, message, help_text=did_you_mean(entry, known))


def _too_costly(document: Document, name: str, part: LimitPart, policy: PolicyFile) -> Iterator[Diagnostic]:
    """Nothing that it applies to, or more than the bucket holds."""
    place = ("limits", name)
    charged = {key: route for key, route in policy.routes.items() if _names(part, key, route)}
    if not charged:
        yield document.fault("P302", place, f"the limit {quoted(name)} applies to no route", key=True)
        return
    capacity = part.burst or part.rate.tokens
    holds = f"the bucket of {quoted(name)} holds {capacity}"
    if part.cost is not None:
        if part.cost > capacity:
            yield document.fault("P303", (*place, "cost"), f"a cost of {part.cost} can never be paid: {holds}")
        return
    for key, route in charged.items():
        if route.cost > capacity:
            message = f"a cost of {route.cost} can never be paid: {holds}"
            yield document.fault(
                "P303", ("routes", key, "cost"), message, help_text="raise its burst, or lower the cost"
            )
