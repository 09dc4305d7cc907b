"""Routes that move money, or make the keys that can: they deserve more than the secret that everything else takes."""

import re
from collections.abc import Iterator
from typing import Final

from guard.model.policy import Route
from guard.model.requirements import Requirement
from guard.model.rules import Mode
from guard.policy.diagnostic import Diagnostic, Severity, quoted
from guard.policy.document import Path
from guard.policy.lints.whole import Whole
from guard.policy.modes import lowest

_MONEY: Final = re.compile(r"withdraw|transfer|api[-_]?key", re.IGNORECASE)


def careless_with_money(service: Whole) -> Iterator[Diagnostic]:
    """P403: at most one a route that does more than read and whose path or scope speaks of money or keys."""
    for key, route in service.routes.items():
        if route.reads or _MONEY.search(f"{route.template} {route.scope or ''}") is None:
            continue
        found = _carelessness(service, key, route)
        if found is not None:
            place, message, hint = found
            yield service.document.fault("P403", place, message, help_text=hint, severity=Severity.WARNING)


def _carelessness(service: Whole, key: str, route: Route) -> tuple[Path, str, str] | None:
    """Where, what and the remedy."""
    place: Path = ("routes", key)
    if route.auth is None:
        return (*place, "auth"), f"{quoted(key)} moves money or keys, and is open to anyone", "leave `auth: none` out"
    if route.auth.rule.mode is not Mode.ENFORCE:
        return ("auth", "mode"), f"{quoted(key)} moves money or keys, and `auth` is in shadow", "enforce `auth`"
    for at, mode in (((*place, "mode"), service.policy.routes[key].mode), (("mode",), service.policy.mode)):
        if lowest(mode) is not Mode.ENFORCE:
            return at, f"{quoted(key)} moves money or keys, and its rules are not enforced", "leave `mode` out"
    weak = sorted(one for one in route.auth.algorithms if one.symmetric)
    if weak and Requirement.KEY_IP_ALLOWLIST not in route.require:
        message = f"{quoted(key)} moves money or keys, and takes {', '.join(weak)} keys from any network"
        hint = "narrow `algorithms` to ed25519, or write `require: [key_ip_allowlist]`"
        return place, message, hint
    return None
