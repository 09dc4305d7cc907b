"""The limits of one service: compiled, and narrowed to the routes that they apply to."""

from collections.abc import Iterator, Mapping
from itertools import islice

from msgspec import structs

from guard.model.policy import Limit
from guard.model.rules import Mode, Rule
from guard.policy.affordable import cost_warnings, too_costly
from guard.policy.costs import Costing
from guard.policy.diagnostic import Diagnostic, did_you_mean, quoted
from guard.policy.document import Document
from guard.policy.modes import limit_mode
from guard.policy.schema import LimitPart, PolicyFile, RoutePart
from guard.policy.tiers import kinds, meter
from guard.policy.values import QUOTA_MAX, TOKENS_MAX

_PERIOD_MS_MAX = 86_400_000
_DANGLING_MAX = 5
_FAULTS_MAX = 50


def compile_limits(document: Document, policy: PolicyFile) -> dict[str, Limit]:
    """Every limit by name, of a policy with which `limit_faults` finds nothing wrong."""
    return {name: _limit(document, name, part) for name, part in policy.limits.named.items()}


def limits_of(key: str, route: RoutePart, policy: PolicyFile, limits: Mapping[str, Limit]) -> tuple[Limit, ...]:
    """The limits that charge a request to this route. Who has no key there is counted by address (core/subjects.py)."""
    return tuple(
        _in_mode(limits[name], limit_mode(policy, part, route))
        for name, part in policy.limits.named.items()
        if _names(part, key, route)
    )


def is_asked_first(limit: Limit, costing: Costing) -> bool:
    """Whether a limit is charged before anything is verified: it counts addresses, and the head tells the cost."""
    if not limit.before_auth or limit.of_bytes:
        return False
    return costing.known_before_auth or not limit.counts_cost


def limit_faults(document: Document, policy: PolicyFile) -> list[Diagnostic]:
    """Limits out of range, that name what is not there, that apply to nothing, or that a request can never pass."""
    faults: list[Diagnostic] = []
    known = {route.group for route in policy.routes.values() if route.group} | set(policy.routes)
    for name, part in policy.limits.named.items():
        if len(faults) >= _FAULTS_MAX:
            break
        found = [*_kind_faults(document, name, part), *_out_of_range(document, name, part)]
        found += islice(_dangling(document, name, part, known), _DANGLING_MAX)
        faults += found or [*_never_fits(document, name, part, policy)]
    if faults:
        return faults
    charged = {
        key: tuple(part for part in policy.limits.named.values() if _names(part, key, route))
        for key, route in policy.routes.items()
    }
    return [*cost_warnings(document, policy, charged)]


def _limit(document: Document, name: str, part: LimitPart) -> Limit:
    exposed = part.expose if part.expose is not None else bool({"key", "account"} & set(part.per))
    return Limit(
        name=name,
        rule=Rule(f"limits.{name}", *document.place(("limits", name))),
        meter=meter(part),
        per=part.per,
        cost=1 if part.count == "requests" or part.concurrent is not None else part.cost,
        of_bytes=part.count == "bytes",
        reserve=part.reserve or 0,
        exposed=exposed,
    )


def _in_mode(limit: Limit, mode: Mode) -> Limit:
    return structs.replace(limit, rule=structs.replace(limit.rule, mode=mode))


def _names(part: LimitPart, key: str, route: RoutePart) -> bool:
    names = {key, route.group}
    return (not part.routes or bool(names & set(part.routes))) and not names & set(part.except_)


def _kind_faults(document: Document, name: str, part: LimitPart) -> Iterator[Diagnostic]:
    """A limit counts in one way, and has the fields that belong to it."""
    place = ("limits", name)
    counts = kinds(part)
    if not counts:
        message = f"the limit {quoted(name)} does not say how it counts"
        yield document.fault("P105", place, message, help_text="write `rate`, `quota` or `concurrent`", key=True)
        return
    for other in counts[1:]:
        message = f"{quoted(counts[0])} and {quoted(other)} exclude one another"
        yield document.fault("P110", (*place, other), message, help_text="make two limits of them", key=True)
    if part.rate is None and part.burst is not None:
        message = f"`burst` belongs to `rate`, not to {quoted(counts[0])}"
        yield document.fault("P110", (*place, "burst"), message, help_text="leave it out", key=True)
    for other in ("cost", "count"):
        if part.concurrent is not None and other in part.model_fields_set:
            message = "`concurrent` counts requests, whatever they cost"
            yield document.fault("P110", (*place, other), message, help_text=f"leave `{other}` out", key=True)
    if part.cost is not None and part.count != "cost":
        message = f"`count: {part.count}` counts no costs"
        yield document.fault("P110", (*place, "cost"), message, help_text="leave `cost` out", key=True)


def _out_of_range(document: Document, name: str, part: LimitPart) -> Iterator[Diagnostic]:
    if part.quota is not None and part.quota.tokens > QUOTA_MAX:
        yield document.fault("P107", ("limits", name, "quota"), f"at most {QUOTA_MAX:,} tokens")
    if part.rate is not None and (part.rate.tokens > TOKENS_MAX or part.rate.period_ms > _PERIOD_MS_MAX):
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


def _reserved(document: Document, name: str, part: LimitPart, charged: Mapping[str, RoutePart]) -> Iterator[Diagnostic]:
    """What is kept for critical routes must be of use to one."""
    if part.reserve is not None and not any(route.priority == "critical" for route in charged.values()):
        message = f"the limit {quoted(name)} applies to no route with `priority: critical`"
        hint = "leave `reserve` out, or let the limit apply to one"
        yield document.fault("P309", ("limits", name, "reserve"), message, help_text=hint, key=True)


def _never_fits(document: Document, name: str, part: LimitPart, policy: PolicyFile) -> Iterator[Diagnostic]:
    """Nothing that it applies to, or more than can ever be there."""
    place = ("limits", name)
    charged = {key: route for key, route in policy.routes.items() if _names(part, key, route)}
    if not charged:
        yield document.fault("P302", place, f"the limit {quoted(name)} applies to no route", key=True)
        return
    yield from _reserved(document, name, part, charged)
    yield from too_costly(document, name, part, charged, policy)
