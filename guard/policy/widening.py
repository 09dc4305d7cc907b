"""What a reload must not reopen: messages that were accepted under a narrower window, and are forgotten by its end.

A message is remembered as long as the widest window of its scheme lasts (`RouteAuth.remember_ms`). When other policies
grant more, what was accepted before is forgotten too early for them. So whatever bears a time up to the swap, plus the
clock lead that was granted, is judged by what memory was kept for; what was signed later is remembered long enough.
The rule looks at nothing but the time in a message, so it needs no memory of its own, and errs towards refusing.
"""

from collections.abc import Callable, Collection, Mapping

import msgspec

from guard.model.names import UnixMs
from guard.model.policy import PolicySet, Route, RouteAuth, RouteNode, Service


def kept_narrow(
    new: PolicySet, old: PolicySet, now: UnixMs, *, under_way_ms: int = 0, changed: Collection[str] = ()
) -> PolicySet:
    """`new`, put in force at `now` in the place of `old`: the same if no window grows beyond what was remembered.

    What was judged by `old` may still be under way for `under_way_ms`, and is then remembered for its time only.
    Of a scheme that is `changed`, nothing that was remembered says anything: another part of the message may tell it
    from others now.
    """
    remembered = {scheme: ms for scheme, ms in _remembered(old, now).items() if scheme not in changed}
    until = UnixMs(now + under_way_ms + old.future_ms_max)
    narrowed: dict[int, Route] = {}

    def route(before: Route) -> Route:
        if before.auth is None:
            return before
        if id(before) not in narrowed:
            auth = _narrowed(before.auth, remembered, until)
            narrowed[id(before)] = before if auth is before.auth else msgspec.structs.replace(before, auth=auth)
        return narrowed[id(before)]

    services = tuple(_service(service, route) for service in new.services)
    if all(after is before for after, before in zip(services, new.services, strict=True)):
        return new
    return msgspec.structs.replace(new, services=services)


def _remembered(old: PolicySet, now: UnixMs) -> dict[str, int]:
    """For how long each scheme's messages are surely remembered, whenever they were accepted."""
    remembered: dict[str, int] = {}
    for service in old.services:
        for route in service.routes.routes():
            if route.auth is not None:
                for scheme, window, ms in zip(
                    route.auth.schemes, route.auth.windows, route.auth.remember_ms, strict=True
                ):
                    still_narrow = now - window.narrow_until <= ms  # some of what was signed before then may pass yet
                    least = min(ms, window.narrow_past_ms) if window.narrow_until and still_narrow else ms
                    remembered[scheme] = min(remembered.get(scheme, least), least)
    return remembered


def _narrowed(auth: RouteAuth, remembered: Mapping[str, int], until: UnixMs) -> RouteAuth:
    windows = tuple(
        window
        if window.past_ms <= remembered.get(scheme, 0)
        else msgspec.structs.replace(window, narrow_until=until, narrow_past_ms=remembered.get(scheme, 0))
        for scheme, window in zip(auth.schemes, auth.windows, strict=True)
    )
    return auth if windows == auth.windows else msgspec.structs.replace(auth, windows=windows)


def _service(service: Service, route: Callable[[Route], Route]) -> Service:
    routes = _mapped(service.routes, route)
    return service if routes is service.routes else msgspec.structs.replace(service, routes=routes)


def _mapped(node: RouteNode, route: Callable[[Route], Route]) -> RouteNode:
    """The tree with other routes; the same tree if none is other."""
    literals = {segment: _mapped(each, route) for segment, each in node.literals.items()}
    variable = None if node.variable is None else _mapped(node.variable, route)
    here = {method: route(each) for method, each in node.here.items()}
    rest = {method: route(each) for method, each in node.rest.items()}
    same = variable is node.variable and all(
        after[key] is before[key]  # type: ignore[index]
        for after, before in ((literals, node.literals), (here, node.here), (rest, node.rest))
        for key in before
    )
    if same:
        return node
    return msgspec.structs.replace(node, literals=literals, variable=variable, here=here, rest=rest)
