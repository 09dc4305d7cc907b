"""Was more admitted than a limit allows? Judged from outside: from when requests were sent and answered, against the
numbers of the policy.

A bucket lets through at most `capacity + refill × t` in any time t. A request was admitted at some moment between its
sending and its answer; so all that were sent after s and answered before e were admitted within e − s. If they are more
than the bucket can give in that time, then the limit was exceeded, whatever the moments were: there is no false alarm.
"""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from guard.model.policy import Bucket, Limit, Route, RouteNode, Service
from guard.model.rules import Mode

_NS = 1_000_000
# The gateway judges by a clock of whole milliseconds, at both ends of a window.
_CLOCK_NS = 2 * _NS

Admitted: TypeAlias = Mapping[str, Mapping[str, list[tuple[int, int]]]]
"""(sent, answered) in nanoseconds, by key id and route."""


def over_admission(services: tuple[Service, ...], admitted: Admitted, accounts: Mapping[str, str]) -> dict[str, int]:
    """By how many requests the worst window of each limit's subjects was over it: `{"key": 0, "orders": 0}`.

    Only token buckets in force are judged, and of their subjects those that a load from one machine has: key, account,
    route, service, and the one address.
    """
    found: dict[str, int] = {}
    for service in services:
        subjects: dict[tuple[str, ...], list[tuple[int, int, int]]] = {}
        buckets: dict[tuple[str, ...], Bucket] = {}
        for limit, bucket, route, cost in _charges(service):
            found.setdefault(limit.name, 0)
            for key_id, routes in admitted.items():
                subject = (limit.name, *_subject(limit, key_id, accounts.get(key_id, ""), route))
                buckets[subject] = bucket
                charged = [(sent, answered, cost) for sent, answered in routes.get(route, ())]
                subjects.setdefault(subject, []).extend(charged)
        for subject, charges in subjects.items():
            found[subject[0]] = max(found[subject[0]], excess(charges, buckets[subject]))
    return found


def excess(charges: list[tuple[int, int, int]], bucket: Bucket) -> int:
    """By how many tokens the worst window is over what the bucket can give; 0 if none is. (sent, answered, cost)

    In one pass: for windows from the i-th sending to the j-th answer, with the latest answer so far as the end.
    """
    period_ns, refill = bucket.period_ms * _NS, bucket.refill_tokens
    worst, spent, end = 0, 0, 0
    start: int | None = None
    for sent, answered, cost in sorted(charges):
        # The lowest of (what was spent before the window) × period − refill × (its start), over all starts so far.
        begun = spent * period_ns - refill * sent
        start = begun if start is None else min(start, begun)
        spent, end = spent + cost, max(end, answered)
        over = (spent - bucket.capacity) * period_ns - refill * (end + _CLOCK_NS) - start
        worst = max(worst, -(-over // period_ns))
    return worst


def _charges(service: Service) -> Iterator[tuple[Limit, Bucket, str, int]]:
    # A route stands in the tree once for each method that it serves: GET is HEAD, too.
    for route in {route.name: route for route in _routes(service.routes)}.values():
        for limit in (*route.limits_address, *route.limits_principal):
            if isinstance(limit.meter, Bucket) and limit.rule.mode is Mode.ENFORCE:
                yield limit, limit.meter, route.name, route.cost if limit.cost is None else limit.cost


def _routes(node: RouteNode) -> Iterator[Route]:
    yield from (*node.here.values(), *node.rest.values())
    for below in (*node.literals.values(), *(() if node.variable is None else (node.variable,))):
        yield from _routes(below)


def _subject(limit: Limit, key_id: str, account: str, route: str) -> tuple[str, ...]:
    values = {"key": key_id, "account": account, "route": route}
    return tuple(values.get(dimension, "") for dimension in limit.per)
