"""The way out of a market: may a flood of orders take the tokens with which they would be cancelled?"""

from collections.abc import Iterator, Mapping

from guard.model.policy import Limit, Route
from guard.model.rules import Mode
from guard.policy.diagnostic import Diagnostic, Severity, quoted
from guard.policy.lints.whole import Whole

_ENTRY_WORDS = ("order", "trade")


def blocked_cancels(service: Whole) -> Iterator[Diagnostic]:
    """P311: at most one a limit that counts cancels and order entry together."""
    for name, charged in service.charges.items():
        cancel = next((key for key in charged if _is_cancel(service.routes[key])), None)
        entry = next((key for key in charged if _is_entry(service.routes[key])), None)
        if (
            cancel is None
            or entry is None
            or not _shared(charged)
            or _is_kept_for(charged[cancel], service.routes[cancel])
        ):
            continue
        message = (
            f"{quoted(cancel)} takes from {quoted(name)}, which {quoted(entry)} can empty: then nothing is cancelled"
        )
        hint = "give cancels a group and a limit of their own, and leave the group out here with `except`"
        path = ("limits", name)
        yield service.document.fault("P311", path, message, help_text=hint, key=True, severity=Severity.WARNING)


def _is_kept_for(limit: Limit, cancel: Route) -> bool:
    """Whether orders leave it something."""
    return cancel.critical and limit.reserve > 0


def _shared(charged: Mapping[str, Limit]) -> bool:
    """Whether the limit can refuse, and counts its routes in one bucket."""
    return any(limit.rule.mode is Mode.ENFORCE and "route" not in limit.per for limit in charged.values())


def _is_cancel(route: Route) -> bool:
    return not route.reads and (route.method == "DELETE" or "cancel" in route.template.lower())


def _is_entry(route: Route) -> bool:
    if route.reads or _is_cancel(route):
        return False
    said = f"{route.template} {route.scope or ''} {route.group or ''}".lower()
    return any(word in said for word in _ENTRY_WORDS)
