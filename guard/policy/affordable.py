"""Can every request that a policy lets in ever be paid for, and is every cost that it names paid to somebody?"""

from collections.abc import Iterator, Mapping

import msgspec

from guard.model.policy import Meter
from guard.policy.costs import costing
from guard.policy.diagnostic import Diagnostic, Severity, quoted
from guard.policy.document import Document, Path
from guard.policy.schema import LimitPart, PolicyFile, RoutePart
from guard.policy.tiers import is_alike, meter


class _Due(msgspec.Struct, frozen=True):
    """The most that a request can have to pay to a limit, what must be left then, and where that is written."""

    amount: int
    spare: int
    what: str
    place: Path
    named: bool = False


def too_costly(
    document: Document, name: str, part: LimitPart, charged: Mapping[str, RoutePart], policy: PolicyFile
) -> Iterator[Diagnostic]:
    """What can never be paid: not even of a full meter, for all keys or for those of a tier."""
    dues = [_due(name, part, key, route, policy) for key, route in charged.items() if not _is_forgiving(part, route)]
    yield from _unpayable(document, dues, meter(part), part, f"of {quoted(name)}")
    for tier, changed in policy.tiers.items():
        if name in changed and is_alike(changed[name], part):
            place = ("tiers", tier, name)
            there = [msgspec.structs.replace(due, place=place, named=True) for due in dues]
            whose = f"of {quoted(name)} for the tier {quoted(tier)}"
            yield from _unpayable(document, there, meter(changed[name]), part, whose)


def cost_warnings(
    document: Document, policy: PolicyFile, charged: Mapping[str, tuple[LimitPart, ...]]
) -> Iterator[Diagnostic]:
    """A cost that is written, and that no limit of its route counts. `charged` has the limits of each route."""
    for key, route in policy.routes.items():
        counts = any(part.cost is None and part.count == "cost" and not part.concurrent for part in charged[key])
        if "cost" in route.model_fields_set and not counts:
            message = "this cost is never charged: no limit of this route counts costs"
            place = ("routes", key, "cost")
            yield document.fault("P304", place, message, severity=Severity.WARNING, key=True)


def _is_forgiving(part: LimitPart, route: RoutePart) -> bool:
    """Whether all its requests are strangers', who pay at most what a bucket made for keys holds (core/subjects.py)."""
    return route.auth == "none" and not {"key", "account"}.isdisjoint(part.per)


def _due(name: str, part: LimitPart, key: str, route: RoutePart, policy: PolicyFile) -> _Due:
    spare = 0 if route.priority == "critical" else part.reserve or 0
    if part.cost is not None:
        return _Due(part.cost, spare, "a cost", ("limits", name, "cost"))
    if part.count == "bytes":
        most = route.max_body or policy.upstream.max_body
        return _Due(most, spare, "a body", ("routes", key, "max_body"), named=True)
    if part.count == "requests" or part.concurrent is not None:
        return _Due(1, spare, "a cost", ("limits", name, "reserve"))
    return _Due(costing(route.cost).most, spare, "a cost", ("routes", key, "cost"))


def _unpayable(document: Document, dues: list[_Due], full: Meter, part: LimitPart, whose: str) -> Iterator[Diagnostic]:
    told: set[Path] = set()
    for due in dues:
        if due.amount + due.spare <= full.capacity or due.place in told:
            continue
        told.add(due.place)
        kind = "slots" if part.concurrent else "bucket" if part.quota is None else "quota"
        kept = f", {due.spare} of it in reserve" if due.spare else ""
        message = f"{due.what} of {due.amount} can never be paid: the {kind} {whose} holds {full.capacity}{kept}"
        hint = f"raise its {'burst' if part.quota is None else 'quota'}, or lower {due.what.replace('a ', 'the ')}"
        if due.place[0] == "limits":
            hint = ""
        yield document.fault("P303", due.place, message, help_text=hint, key=due.named)
