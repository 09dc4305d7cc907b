"""Where a resource stands, as a policy writes it: `{query: symbol}`, `{field: /symbol}`, `{path: symbol}`,
`{items: /orders, field: /symbol}`, a list of these, or `any`.
"""

from collections.abc import Mapping
from typing import Any, Final

from guard.model.resources import ANY, InBody, InItems, InPath, InQuery, Place
from guard.policy.diagnostic import did_you_mean
from guard.policy.names import ID_PATTERN, PARAMETER_PATTERN, POINTER_PATTERN, NameFault, parameter, pointer

UNPLACED: Final = -1
"""The position of a path's variable that no route has told yet."""

PLACES_MAX: Final = 8

_FORMS: Final = "write {query: NAME}, {field: /NAME}, {items: /LIST, field: /NAME} or {path: VARIABLE}"
_FIELDS: Final = frozenset({"query", "field", "items", "path"})

_POINTER: Final = {"type": "string", "pattern": POINTER_PATTERN, "examples": ["/symbol"]}
_NAME: Final = {"type": "string", "pattern": PARAMETER_PATTERN, "examples": ["symbol"]}
_MEMBER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "query": {**_NAME, "description": "A parameter of the query."},
        "field": {**_POINTER, "description": "A member of a JSON body, or a field of a form."},
        "items": {**_POINTER, "description": "With `field`: the list of whose items each must have it."},
        "path": {**_NAME, "description": "A variable of the route's path."},
    },
    "additionalProperties": False,
    "oneOf": [{"required": ["query"]}, {"required": ["field"]}, {"required": ["path"]}],
}
SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"const": "any", "description": "The route is not about it: keys that are kept to some of it may use it."},
        _MEMBER,
        {"type": "array", "minItems": 1, "maxItems": PLACES_MAX, "items": _MEMBER},
    ]
}
NAMED_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "patternProperties": {ID_PATTERN: SCHEMA},
    "additionalProperties": False,
    "examples": [{"symbol": {"query": "symbol"}}, {"symbol": {"field": "/symbol"}, "side": "any"}],
}


def places(value: object) -> tuple[Place, ...]:
    """The places. ANY where the author writes that there are none. Raises NameFault."""
    if value == "any":
        return ANY
    written = value if isinstance(value, list) else [value]
    if not 0 < len(written) <= PLACES_MAX:
        raise NameFault("P107", f"must have 1 to {PLACES_MAX} entries")
    return tuple(map(_place, written))


def _place(value: object) -> Place:
    if not isinstance(value, Mapping):
        raise NameFault("P103", "is not a place of a resource", _FORMS)
    for name in value:
        if name not in _FIELDS:
            raise NameFault("P101", f"unknown field `{name}`", did_you_mean(str(name), _FIELDS) or _FORMS)
    match dict(value):
        case {"query": name, **rest} if not rest:
            return InQuery(parameter(name))
        case {"path": name, **rest} if not rest:
            return InPath(parameter(name), UNPLACED)
        case {"field": at, **rest} if not rest:
            return InBody(_below(at))
        case {"items": items, "field": at, **rest} if not rest:
            return InItems(pointer(items), _below(at))
        case {"items": _}:
            raise NameFault("P105", "the field `field` is missing", _FORMS)
        case _:
            raise NameFault("P110", "a place is told in one way", _FORMS)


def _below(value: object) -> tuple[str, ...]:
    steps = pointer(value)
    if not steps:
        raise NameFault("P106", "the whole document is no value of a resource", "name a member")
    return steps
