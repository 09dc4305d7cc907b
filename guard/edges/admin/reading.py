"""Requests read strictly: a body or query is exactly of its type, or refused with a pointer to what is wrong.

Nothing is ignored and nothing guessed: unknown and repeated members, numbers as text, and NUL (which not every database
can hold) are refused. What a value means is not judged here.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from guard.edges.admin.problems import Flaw, Refused
from guard.model.facts import Field

T = TypeVar("T")

_EXACT_MAX = 2**53  # beyond it a float is not the number that was written

_JSON_TYPE = re.compile(rb"application/json(?:[ \t]*;[ \t]*charset=\"?utf-8\"?)?", re.IGNORECASE)
_PLACE = re.compile(r" - at `(?P<path>[^`]*)`$")
_UNKNOWN_MEMBER = re.compile(r"unknown field `(?P<name>.*?)`")
_MISSING_MEMBER = re.compile(r"missing required field `(?P<name>.*?)`")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>[^\]]*)\]")


def body_of(content: bytes, fields: Iterable[Field], shape: type[T]) -> T:
    """The body as `shape`. Raises Refused."""
    types = [value for name, value in fields if name == b"content-type"]
    if len(types) != 1 or not _JSON_TYPE.fullmatch(types[0]):
        raise Refused("admin.media_type", "send one Content-Type: application/json")
    try:
        plain = json.loads(
            content, object_pairs_hook=_without_repetition, parse_float=_number, parse_constant=_no_number
        )
        read = msgspec.json.decode(msgspec.json.encode(plain), type=shape)
    except msgspec.ValidationError as error:
        raise _flawed(error) from None
    except _RepeatedError as repeated:
        detail = f"{repeated.name!r} stands there twice"
        raise Refused("admin.malformed", detail, flaws=(Flaw(detail=detail, pointer="#"),)) from None
    except (ValueError, RecursionError):  # no JSON, no UTF-8, half a surrogate pair, or nested without end
        raise Refused("admin.malformed", "the body is no JSON that can be understood") from None
    return read


def query_of(query: bytes, shape: type[T]) -> T:
    """The query as `shape`. Raises Refused."""
    given: dict[str, str] = {}
    for pair in query.split(b"&") if query else ():
        name, equals, value = (_text(part) for part in pair.partition(b"="))
        if not equals or name in given:
            detail = "stands there twice" if equals else "has no value"
            raise _bad_parameter(name, detail)
        given[name] = value
    try:
        read = msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        message = str(error)
        unknown = _UNKNOWN_MEMBER.search(message)
        place = _PLACE.search(message)
        name = unknown["name"] if unknown else place["path"].removeprefix("$.") if place else ""
        raise _bad_parameter(name, "is not known" if unknown else _PLACE.sub("", message)) from None
    for name in given:
        if getattr(read, name) is None:  # msgspec reads the text `null` so
            raise _bad_parameter(name, "has no value")
    return read


def segment(raw: str) -> str:
    """A segment of the path, decoded. Raises Refused if it is no text."""
    return _text(raw.encode("latin-1", "replace"), plus=b"+")


class _RepeatedError(Exception):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedError(next(name for name in names if names.count(name) > 1))
    return read


def _number(text: str) -> int | float:
    """`5.0` is the integer 5, as JSON Schema has it. Raises ValueError for what is beyond any number of ours."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("too large")
    return int(number) if number.is_integer() and abs(number) <= _EXACT_MAX else number


def _no_number(_: str) -> float:
    raise ValueError("NaN and Infinity are no JSON")


def _text(encoded: bytes, *, plus: bytes = b" ") -> str:
    try:
        text = unquote_to_bytes(encoded.replace(b"+", plus)).decode()
    except UnicodeDecodeError:
        raise Refused("admin.malformed", "the target is no UTF-8") from None
    if "\x00" in text:
        raise Refused("admin.malformed", "the target holds NUL")
    return text


def _bad_parameter(name: str, detail: str) -> Refused:
    return Refused("admin.malformed", f"{name!r} {detail}", flaws=(Flaw(detail=detail, parameter=name),))


def _flawed(error: msgspec.ValidationError) -> Refused:
    """What msgspec says, its place (`$.scopes[0]`) as a pointer (`#/scopes/0`)."""
    message = str(error)
    place = _PLACE.search(message)
    steps = [step["name"] or step["index"] for step in _STEP.finditer(place["path"] if place else "")]
    named = _UNKNOWN_MEMBER.search(message) or _MISSING_MEMBER.search(message)
    if named:
        steps.append(named["name"])
    detail = _PLACE.sub("", message)
    pointer = "#" + "".join(f"/{step}" for step in steps)
    return Refused("admin.malformed", detail, flaws=(Flaw(detail=detail, pointer=pointer),))
