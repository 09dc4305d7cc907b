"""What a reload must not reopen: messages that were accepted under a narrower window, and are forgotten by its end.

A message is remembered as long as the widest window of its scheme lasts (`RouteAuth.remember_ms`). When other policies
grant more, what was accepted before is forgotten too early for them. So whatever bears a time up to the swap, plus the
clock lead that was granted, is judged by what memory was kept for; what was signed later is remembered long enough.
The rule looks at nothing but the time in a message, so it needs no memory of its own, and errs towards refusing.
"""

from collections.abc import Collection, Mapping

import msgspec

from guard.model.names import UnixMs
from guard.model.policy import PolicySet, Route
from guard.model.policy_versions import Narrowing
from guard.policy.rerouting import with_routes


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
    held: dict[str, Narrowing] = {}
    for service in new.services:
        for route in service.routes.routes():
            for scheme in () if route.auth is None else route.auth.schemes:
                held[scheme] = Narrowing(until, remembered.get(scheme, 0))
    return narrowed_by(new, held)


def narrowings(policies: PolicySet) -> dict[str, Narrowing]:
    """What is held back of each scheme, for a process that begins with these policies: the narrowest of its routes."""
    found: dict[str, Narrowing] = {}
    for service in policies.services:
        for route in service.routes.routes():
            if route.auth is not None:
                for scheme, window in zip(route.auth.schemes, route.auth.windows, strict=True):
                    if window.narrow_until:  # knockout: narrowing_is_handed_on
                        known = found.get(scheme, Narrowing(window.narrow_until, window.narrow_past_ms))
                        until = max(known.until, window.narrow_until)
                        found[scheme] = Narrowing(until, min(known.past_ms, window.narrow_past_ms))
    return found


def narrowed_by(policies: PolicySet, held: Mapping[str, Narrowing]) -> PolicySet:
    """The same policies, with what others hold back held back here too."""

    def route(before: Route) -> Route:
        if before.auth is None:
            return before
        windows = tuple(
            msgspec.structs.replace(window, narrow_until=held[scheme].until, narrow_past_ms=held[scheme].past_ms)
            if scheme in held and window.past_ms > held[scheme].past_ms
            else window
            for scheme, window in zip(before.auth.schemes, before.auth.windows, strict=True)
        )
        if windows == before.auth.windows:
            return before
        return msgspec.structs.replace(before, auth=msgspec.structs.replace(before.auth, windows=windows))

    services = tuple(with_routes(service, route) for service in policies.services)
    if all(after is before for after, before in zip(services, policies.services, strict=True)):
        return policies
    return msgspec.structs.replace(policies, services=services)


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
