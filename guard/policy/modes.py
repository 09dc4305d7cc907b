"""How earnestly each rule is meant: the lowest of what its file, its section, its route and the rule itself say.

Who may come at all is an exception. `auth` is lowered by its own `mode` alone, never by that of its file or of a route,
and only where the author has written that unauthenticated requests then reach the backend.
"""

from collections.abc import Iterator

from guard.model.rules import Mode
from guard.policy.diagnostic import Diagnostic, Severity
from guard.policy.document import Document
from guard.policy.schema import LimitPart, PolicyFile, RoutePart

_RANK = {Mode.OFF: 0, Mode.SHADOW: 1, Mode.ENFORCE: 2}


def limit_mode(policy: PolicyFile, limit: LimitPart, route: RoutePart) -> Mode:
    """That of a limit for requests to a route."""
    return lowest(policy.mode, policy.limits.mode, limit.mode, route.mode)


def client_ip_mode(policy: PolicyFile) -> Mode:
    """That of the addresses that are allowed and refused."""
    return lowest(policy.mode, policy.client_ip.mode)


def route_networks_mode(policy: PolicyFile, route: RoutePart) -> Mode:
    """That of the networks from which a route may be used."""
    return lowest(policy.mode, route.mode)


def auth_mode(policy: PolicyFile) -> Mode:
    """That of everything about who sends a request: credentials, freshness, key and scope."""
    return Mode(policy.auth.mode)


def lowest(*modes: str) -> Mode:
    """The lowest of them: off is below shadow, and shadow below enforce."""
    return min((Mode(mode) for mode in modes), key=_RANK.__getitem__)


def highest(*modes: Mode) -> Mode:
    """The highest of them."""
    return max(modes, key=_RANK.__getitem__)


def mode_faults(document: Document, policy: PolicyFile) -> Iterator[Diagnostic]:
    """`auth` in shadow without the words that accept it, and a warning each time with them."""
    shadow, accepted = policy.auth.mode == "shadow", policy.auth.allow_unauthenticated
    if shadow and not accepted:
        message = "auth in shadow lets requests through that nobody has signed"
        hint = "write `allow_unauthenticated: true` beside it if that is meant"
        yield document.fault("P401", ("auth", "mode"), message, help_text=hint)
    elif shadow:
        message = "auth is in shadow: requests that nobody has signed reach the backend"
        yield document.fault("P401", ("auth", "mode"), message, severity=Severity.WARNING)
    elif accepted:
        message = "`allow_unauthenticated` belongs to `mode: shadow`"
        yield document.fault("P110", ("auth", "allow_unauthenticated"), message, help_text="leave it out", key=True)
