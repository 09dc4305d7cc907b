"""A document against the schema: a PolicyFile, or one diagnostic for each thing that is wrong with the shape.

pydantic says what is wrong and where in its own terms; here that becomes codes, places in the text, and sentences. One
mistake is one diagnostic, whatever number of errors pydantic makes of it.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias, get_args

import msgspec
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from guard.policy.case_schema import CasesFile
from guard.policy.diagnostic import Diagnostic, did_you_mean, nearest, quoted
from guard.policy.document import Document, Path
from guard.policy.schema import PolicyFile
from guard.policy.shared_schema import SharedFile
from guard.policy.unknown import instead_of_field, instead_of_value

_FAULTS_MAX: Final = 100

_NOT_PART: Final = "{} is not part of the language"

_KINDS: Final[dict[str, str]] = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
}
_STAND_INS: Final[dict[str, object]] = {
    "version": 1,
    "service": "unreadable",
    "upstream": "http://127.0.0.1",
    "routes": {"GET /": {}},
}
"""What stands in for a part that cannot be read, so that the others can still be judged."""


_Named: TypeAlias = Mapping[Path, tuple[Path, int]]

_NAMED: Final[_Named] = {
    ("limits",): (("limits", "named"), 1),
    ("routes",): (("routes",), 1),
    ("tiers",): (("tiers",), 2),
    ("abuse", "signals"): (("abuse", "signals"), 1),
}
"""Where the model has what stands under these in YAML (`schema.LimitsPart`), and how many names that takes there."""

_NAMED_SHARED: Final[_Named] = {
    ("limits",): (("limits",), 1),
    ("tiers",): (("tiers",), 2),
    ("signals",): (("signals",), 1),
    ("ladder",): (("ladder",), 1),
}


class Shaped(msgspec.Struct, frozen=True):
    """What could be read.

    `broken` names the top-level parts that could not: in `policy` these hold stand-ins, good for judging the rest.
    """

    policy: PolicyFile
    broken: frozenset[str]
    faults: tuple[Diagnostic, ...]


def shape(document: Document) -> Shaped:
    """The policy file as values, and every fault of its shape."""
    try:
        return Shaped(PolicyFile.model_validate(document.content), document.broken, ())
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
    faults = _faults(document, errors, PolicyFile)
    broken = frozenset(str(error["loc"][0]) for error in errors)
    readable = {key: value for key, value in document.content.items() if key not in broken}
    return Shaped(PolicyFile.model_validate(_STAND_INS | readable), broken | document.broken, faults)


def shape_cases(document: Document) -> CasesFile | tuple[Diagnostic, ...]:
    """A file of policy tests as values, or every fault of its shape."""
    try:
        return CasesFile.model_validate(document.content)
    except ValidationError as invalid:
        return _faults(document, invalid.errors(include_url=False), CasesFile)


def shape_shared(document: Document) -> tuple[Diagnostic, ...]:
    """Every fault of the shape of what is shared."""
    try:
        SharedFile.model_validate(document.content)
    except ValidationError as invalid:
        return _faults(document, invalid.errors(include_url=False), SharedFile)
    return ()


def _faults(document: Document, errors: list[ErrorDetails], root: type[BaseModel]) -> tuple[Diagnostic, ...]:
    return tuple(_fault(document, error, root) for error in _essential(errors[:_FAULTS_MAX], root))


def _essential(errors: list[ErrorDetails], root: type[BaseModel]) -> list[ErrorDetails]:
    """Without those that follow from others: a list left short by its faults, a field missing for its misspelling."""
    places = [_path(error, root) for error in errors]
    inner = {place[:length] for place in places for length in range(len(place))}
    misspelt = {
        (*place[:-1], nearest(place[-1], _fields_at(place[:-1], root)))
        for place, error in zip(places, errors, strict=True)
        if error["type"] == "extra_forbidden"
    }
    return [
        error
        for place, error in zip(places, errors, strict=True)
        if not (error["type"] == "too_short" and place in inner)
        and not (error["type"] == "missing" and place in misspelt)
    ]


def _path(error: ErrorDetails, root: type[BaseModel]) -> Path:
    path = tuple(part for part in error["loc"] if part != "[key]")
    return (*path[:1], *path[2:]) if root is PolicyFile and path[:2] == ("limits", "named") else path


def _fault(document: Document, error: ErrorDetails, root: type[BaseModel]) -> Diagnostic:
    path, kind, value = _path(error, root), error["type"], error["input"]
    if kind == "extra_forbidden":
        return _unknown_field(document, path, root)
    instead = instead_of_value(path, value)
    if instead is not None:
        return document.fault("P190", path, _NOT_PART.format(quoted(value)), help_text=instead)
    if kind == "missing":
        return document.fault("P105", path[:-1], f"the field {quoted(path[-1])} is missing", key=True)
    if kind == "policy":
        return _told(document, path, error)
    if kind == "literal_error":
        return _not_one_of(document, path, error)
    if kind in _KINDS:
        hint = "put it in quotes" if kind == "string_type" and not isinstance(value, dict | list) else ""
        return document.fault("P103", path, f"expected {_KINDS[kind]}, found {_found(value)}", help_text=hint)
    return document.fault("P107", path, _range(error))


def _unknown_field(document: Document, path: Path, root: type[BaseModel]) -> Diagnostic:
    name = path[-1]
    instead = instead_of_field(path)
    if instead is not None:
        return document.fault("P190", path, _NOT_PART.format(quoted(name)), help_text=instead, key=True)
    hint = did_you_mean(name, _fields_at(path[:-1], root))
    return document.fault("P101", path, f"unknown field {quoted(name)}", help_text=hint, key=True)


def _told(document: Document, path: Path, error: ErrorDetails) -> Diagnostic:
    told, value = error["ctx"], error["input"]
    message, help_text = str(told["message"]), str(told["help"])
    if message.startswith("is "):
        message = f"{quoted(value) if isinstance(value, str) else _found(value)} {message}"
    named = error["loc"][-1] == "[key]"
    secret = isinstance(value, str) and "@" in value
    return document.fault(str(told["code"]), path, message, help_text=help_text, key=named, hide=secret)


def _not_one_of(document: Document, path: Path, error: ErrorDetails) -> Diagnostic:
    expected = str(error["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
    value = error["input"]
    shown = quoted(value) if isinstance(value, str | int | float) else _found(value)
    verb = "is not one of" if "," in expected else "is not"
    hint = "leave the quotes out" if value == expected else did_you_mean(value, expected.split(", "))
    return document.fault("P102", path, f"{shown} {verb} {expected}", help_text=hint)


def _range(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    least, most = context.get("ge", context.get("min_length")), context.get("le", context.get("max_length"))
    verb, what = "be", ""
    if "actual_length" in context or error["type"].startswith("string"):
        verb, what = "have", " entries" if "actual_length" in context else " characters"
    return f"must {verb} at least {least}{what}" if least is not None else f"must {verb} at most {most}{what}"


def _found(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"the number {quoted(value)}"
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list | tuple) else f"the text {quoted(value)}"


def _fields_at(path: Path, root: type[BaseModel]) -> frozenset[str]:
    """The fields that the part at `path` may have."""
    part: Any = root
    for step in _without_names(path, _NAMED_SHARED if root is SharedFile else _NAMED):
        field = next(field for name, field in part.model_fields.items() if step == (field.alias or name))
        part = next(kind for kind in _kinds(field.annotation) if _is_part(kind))
    return frozenset(field.alias or name for name, field in part.model_fields.items())


def _without_names(path: Path, named: _Named) -> Path:
    """The path without the names that authors choose, and the positions in lists."""
    for outer, (inner, names) in named.items():
        if path[: len(outer)] == outer:
            return tuple(step for step in inner + path[len(outer) + names :] if isinstance(step, str))
    return tuple(step for step in path if isinstance(step, str))


def _is_part(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _kinds(annotation: object) -> list[object]:
    """The annotation and everything that it is made of."""
    return [annotation, *(kind for inner in get_args(annotation) for kind in _kinds(inner))]
