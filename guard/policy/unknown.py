"""What was planned for the policy language and is not in it: refused by name with what to do instead, never ignored."""

from collections.abc import Mapping
from typing import Final

from guard.policy.document import Path

_ANY: Final = "*"

FIELDS: Final[Mapping[Path, str]] = {
    ("keys",): "leave it out: keys are made with `guard keys create`",
    ("log",): "leave it out: the decision log is alike for all services, and `GUARD_DECISION_LOG` says where it goes",
    ("exempt",): "write `abuse: {exempt: {ips: […], keys: […]}}`",
    ("upstream", "retry"): "leave it out: only what `reads` is sent once more, on a connection that had rested",
    ("auth", "alternates"): "write `auth: {schemes: […]}`",
    ("limits", _ANY, "on_failure"): "write `store: {on_failure: {limits: …}}`: it is one for all limits",
    ("routes", _ANY, "upgrade"): "leave it out: guard speaks no WebSocket yet, and declines every upgrade",
}
"""By field, what to do instead. `*` is any name."""

VALUES: Final[Mapping[tuple[Path, str], str]] = {
    (("limits", _ANY, "per"), "country"): "write `client_ip: {deny: [file:deny.txt]}` with the networks that you mean",
}
"""The same by field and value."""


def instead_of_field(path: Path) -> str | None:
    """What to do instead of a field that is not known, if it was planned."""
    return FIELDS.get(_general(path))


def instead_of_value(path: Path, value: object) -> str | None:
    """What to do instead of a value that the field at `path` does not take, if it was planned."""
    general = _general(path)
    if general and isinstance(general[-1], int):
        general = general[:-1]
    return VALUES.get((general, value)) if isinstance(value, str) else None


def _general(path: Path) -> Path:
    """The path with the names that authors choose left open."""
    if len(path) > 2 and path[0] in ("limits", "routes"):  # noqa: PLR2004  # section, name, field
        return (path[0], _ANY, *path[2:])
    return path
