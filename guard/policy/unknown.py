"""What the policy language will have and this version does not: refused by name, never ignored."""

from typing import Final

from guard.policy.document import Path

_ANY: Final = "*"

_FIELDS: Final[frozenset[Path]] = frozenset(
    {
        *((name,) for name in ("keys", "log", "exempt")),
        *(("upstream", name) for name in ("retry",)),
        ("auth", "alternates"),
        ("limits", _ANY, "on_failure"),
        ("routes", _ANY, "upgrade"),
    }
)
_VALUES: Final[dict[Path, frozenset[str]]] = {
    ("limits", _ANY, "per"): frozenset({"country"}),
}


def field_comes_later(path: Path) -> bool:
    """Whether the field at `path` is part of the language that this version does not know."""
    return _general(path) in _FIELDS


def value_comes_later(path: Path, value: object) -> bool:
    """Whether `value` is one that the field at `path` will take later."""
    general = _general(path)
    if general and isinstance(general[-1], int):
        general = general[:-1]
    return isinstance(value, str) and value in _VALUES.get(general, frozenset())


def _general(path: Path) -> Path:
    """The path with the names that authors choose left open."""
    if len(path) > 2 and path[0] in ("limits", "routes"):  # noqa: PLR2004  # section, name, field
        return (path[0], _ANY, *path[2:])
    return path
