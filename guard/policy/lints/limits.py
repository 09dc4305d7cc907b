"""Limits that never decide anything, and buckets that fill too slowly for what is asked of them."""

from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import Final

from guard.model.policy import Bucket, Calendar, Limit, Meter, Route, Slots
from guard.model.pricing import ByItems, ByMember, ByParameter
from guard.model.rules import Mode
from guard.policy.diagnostic import Diagnostic, Severity, quoted
from guard.policy.lints.whole import Whole
from guard.policy.units import spelled

_KNOWN_WITHOUT_ASKING: Final = ("service",)


def idle_limits(service: Whole) -> Iterator[Diagnostic]:
    """P305: a limit that refuses nothing that a broader one has not refused. Of two that are equal, the later one."""
    charges = service.charges
    order = list(charges)
    idle: set[str] = set()
    for name, other in permutations(order, 2):
        if name in idle or other in idle or not _never_decides(service, charges[name], charges[other]):
            continue
        if order.index(name) < order.index(other) and _never_decides(service, charges[other], charges[name]):
            continue
        idle.add(name)
        file, line = service.document.place(("limits", other))
        where = f"line {line}" if file == service.document.name else f"{file}:{line}"
        message = (
            f"the limit {quoted(name)} never decides: {quoted(other)} at {where} counts all that it counts, "
            "and has no more room"
        )
        hint = "make it tighter than the other, or leave it out"
        path = ("limits", name)
        yield service.document.fault("P305", path, message, help_text=hint, key=True, severity=Severity.WARNING)


def slow_limits(service: Whole) -> Iterator[Diagnostic]:
    """P305: one request takes more than comes back while its route waits for it. A cost of 1 is a rate, and meant."""
    for name, charged in service.charges.items():
        waits = {
            key: _refill_ms(limit.meter, _cost(service.routes[key], limit))
            for key, limit in charged.items()
            if isinstance(limit.meter, Bucket) and _cost(service.routes[key], limit) > 1
        }
        slow = {key: wait for key, wait in waits.items() if wait > service.routes[key].total_ms}
        if not slow:
            continue
        key = max(slow, key=slow.__getitem__)
        cost, limit_ms = _cost(service.routes[key], charged[key]), service.routes[key].total_ms
        message = (
            f"a request to {quoted(key)} costs {cost}, which {quoted(name)} takes {spelled(slow[key])} to give back: "
            f"longer than the route's timeout of {spelled(limit_ms)}"
        )
        hint = "raise the rate, or lower the cost; a limit of few requests has `cost: 1`"
        path = ("limits", name, "rate")
        yield service.document.fault("P305", path, message, help_text=hint, severity=Severity.WARNING)


def _never_decides(service: Whole, limit: Mapping[str, Limit], broader: Mapping[str, Limit]) -> bool:
    """Whether each bucket of `limit` always holds at least as much as the one bucket of `broader` that counts it too.

    It does if it sees no more requests, takes no more from itself for each, holds no less and fills no slower.
    """
    if not limit or not limit.keys() <= broader.keys():
        return False
    one, other = next(iter(limit.values())), next(iter(broader.values()))
    if one.before_auth and not other.before_auth:
        return False  # the first is charged for what never comes to the second
    if one.of_bytes or other.of_bytes or one.reserve > other.reserve:
        return False  # they count in other units, or the first keeps more back
    if any(_is_of_a_tier(service.routes[key], {one.name, other.name}) for key in limit):
        return False  # keys of some tier have other rates there
    known = {*one.per, *_KNOWN_WITHOUT_ASKING, *(("route",) if len(limit) == 1 else ())}
    if not all(dimension in known or (dimension == "account" and "key" in known) for dimension in other.per):
        return False  # one bucket of the first spreads over several of the other
    return _no_tighter(one.meter, other.meter) and all(
        broader[key].rule.mode in (Mode.ENFORCE, mine.rule.mode)
        and _cost(service.routes[key], mine) <= _cost(service.routes[key], broader[key])
        for key, mine in limit.items()
    )


def _no_tighter(meter: Meter, other: Meter) -> bool:
    match meter, other:
        case Bucket(), Bucket():
            faster = meter.refill_tokens * other.period_ms >= other.refill_tokens * meter.period_ms
            return faster and meter.capacity >= other.capacity
        case Calendar(), Calendar():
            return meter.period_ms == other.period_ms and meter.capacity >= other.capacity
        case Slots(), Slots():
            return meter.capacity >= other.capacity
        case _:
            return False


def _is_of_a_tier(route: Route, names: set[str]) -> bool:
    return any(limit.tier is not None and limit.name in names for of in route.limits_by_tier.values() for limit in of)


def _cost(route: Route, limit: Limit) -> int:
    """The most that a request can take, in tokens of what it counts."""
    if isinstance(limit.meter, Slots) or limit.of_bytes:
        return 1
    if limit.cost is not None:
        return limit.cost
    match route.pricing:
        case None:
            return route.cost if route.settlement is None else max(route.cost, route.settlement.most)
        case ByItems(each=each, base=base, per=per, items_max=most):
            return base + each * -(-most // per)
        case ByParameter(steps=steps) | ByMember(steps=steps):
            return max(steps.default, *(cost for _, cost in steps.costs))


def _refill_ms(bucket: Bucket, tokens: int) -> int:
    return -(-tokens * bucket.period_ms // bucket.refill_tokens)
