"""A word of warning where a key is kept to a resource that no policy at hand knows: it would open nothing there."""

from collections.abc import Iterable
from pathlib import Path

from guard.cli.screen import complain
from guard.model.keys import Bounds
from guard.policy.diagnostic import did_you_mean
from guard.policy.load import Loaded, load_policies


def warn_of_unknown(bounds: Bounds | None, policies: Path) -> None:
    """Says so on standard error. Where there are no policies, or none that are in order, nothing can be said."""
    if bounds is None or not bounds.only:
        return
    loaded = load_policies(policies)
    if not isinstance(loaded, Loaded):
        return
    known = {
        name
        for service in loaded.policies.services
        for route in service.routes.routes()
        for name, places in route.resources.items()
        if places
    }
    for name in sorted(set(bounds.only) - known):
        complain(f"no route in {policies} tells the resource {name}: the key opens nothing there.{_hint(name, known)}")


def _hint(name: str, known: Iterable[str]) -> str:
    hint = did_you_mean(name, known).replace("`", "")
    return f" {hint[:1].upper()}{hint[1:]}" if hint else ""
