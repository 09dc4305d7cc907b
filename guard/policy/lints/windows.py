"""Windows so long that a captured request is worth keeping."""

from collections.abc import Iterator
from typing import Final

from guard.policy.diagnostic import Diagnostic, Severity
from guard.policy.document import Path
from guard.policy.lints.whole import Whole
from guard.policy.units import spelled

_PAST_MS_MAX: Final = 60_000


def long_windows(service: Whole) -> Iterator[Diagnostic]:
    """P405: a signature that is good for more than a minute, once for each place that says so."""
    told: set[Path] = set()
    for key, route in service.routes.items():
        past_ms = max((window.past_ms for window in route.auth.windows), default=0) if route.auth is not None else 0
        place: Path = ("routes", key, "window") if service.policy.routes[key].window is not None else ("auth", "window")
        if past_ms <= _PAST_MS_MAX or place in told:
            continue
        told.add(place)
        message = f"a signature is good for {spelled(past_ms)}: whoever captures a request has that long to send it"
        hint = f"at most {spelled(_PAST_MS_MAX)}; 5s are enough for clocks that are set"
        yield service.document.fault("P405", place, message, help_text=hint, severity=Severity.WARNING)
