"""Scopes that a route needs and that no key has: a slip of the pen, or a key that was forgotten."""

from collections.abc import Iterator

from guard.policy.diagnostic import Diagnostic, Severity, did_you_mean, quoted
from guard.policy.lints.whole import Whole


def ungranted_scopes(service: Whole) -> Iterator[Diagnostic]:
    """P209: at most one a scope, at the first route that needs it. Nothing where nobody has looked at the keys."""
    if service.granted is None:
        return
    unused = service.granted - {route.scope for route in service.routes.values()}
    told: set[str] = set()
    for key, route in service.routes.items():
        if route.scope is None or route.scope in service.granted or route.scope in told:
            continue
        told.add(route.scope)
        message = f"no key has the scope {quoted(route.scope)}, so nobody can use {quoted(key)}"
        hint = did_you_mean(route.scope, unused) or f"guard keys create --scopes {route.scope} …"
        path = ("routes", key, "scope")
        yield service.document.fault("P209", path, message, help_text=hint, severity=Severity.WARNING)
