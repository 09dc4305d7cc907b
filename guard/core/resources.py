"""Is a message about nothing but these values of a resource? Read from the very bytes that were verified and go on.

Its route names the places where that is told. A parameter or member of the same name in the query, a form, or at the
top of a JSON body counts too, since many a backend reads one for the other. Pure; it asks nobody.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final, TypeAlias

import msgspec

from guard.core.reading import Untold, body_type, decoded, document, member, parameter
from guard.model.facts import Facts
from guard.model.resources import InBody, InItems, InPath, InQuery, Place
from guard.signing.parameters import FORM_TYPE, JSON_TYPE
from guard.wire.documents import Number, Pointer

_WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,14}", re.ASCII)  # below 2^53, so that it is one number to every program
_OTHER_VALUE: Final = "it is about another value than the key is kept to"


class _Form(msgspec.Struct, frozen=True, gc=False):
    raw: bytes


class _Json(msgspec.Struct, frozen=True, gc=False):
    held: object


_Body: TypeAlias = _Form | _Json | None


def outside(places: Collection[Place], facts: Facts, content: bytes | None, allowed: Collection[str]) -> str | None:
    """Why a message with this body cannot be said to be about these values alone; None if it can."""
    try:
        body = _body(facts, content) if any(not isinstance(place, InPath) for place in places) else None
        told = [value for place in places for value in _told(place, facts, body)]
        if not told:
            return "it does not say which"
        beside = [value for name in _names(places) for value in _beside(name, facts, body)]
    except Untold as untold:
        return str(untold)
    return None if all(value in allowed for value in (*told, *beside)) else _OTHER_VALUE


def _body(facts: Facts, content: bytes | None) -> _Body:
    """A body that nobody knows how to read could say anything."""
    if content is None:
        raise Untold("its body is not at hand")
    if not content:
        return None
    match body_type(facts):
        case kind if kind == FORM_TYPE:
            return _Form(content)
        case kind if kind == JSON_TYPE:
            return _Json(document(content))
        case _:
            raise Untold("its body is neither plain JSON nor a plain form")


def _told(place: Place, facts: Facts, body: _Body) -> Iterable[str]:
    match place, body:
        case InPath(), _:
            return (decoded(facts.path.split(b"/")[1:][place.position]),)
        case InQuery(), _:
            return _parameter(facts.query or b"", place.name, "query")
        case InBody(), _Form() if len(place.pointer) == 1:
            return _parameter(body.raw, place.pointer[0], "body")
        case InBody(), _Json():
            return _members((body.held,), place.pointer)
        case InItems(), _Json():
            return _of_items(body.held, place)
        case _:
            return ()


def _names(places: Iterable[Place]) -> Iterator[str]:
    for place in places:
        match place:
            case InQuery():
                yield place.name
            case InBody() | InItems():
                yield place.pointer[-1]
            case _:
                pass


def _beside(name: str, facts: Facts, body: _Body) -> Iterator[str]:
    yield from _parameter(facts.query or b"", name, "query")
    if isinstance(body, _Form):
        yield from _parameter(body.raw, name, "body")
    elif isinstance(body, _Json) and isinstance(body.held, dict):
        yield from _members((body.held,), (name,))


def _parameter(raw: bytes, name: str, where: str) -> tuple[str, ...]:
    value = parameter(raw, name, where)
    return () if value is None else (decoded(value),)


def _of_items(held: object, place: InItems) -> tuple[str, ...]:
    try:
        items = member(held, place.items)
    except KeyError:
        return ()
    if not isinstance(items, list):
        raise Untold("what should be a list of items is none")
    told = _members(items, place.pointer)
    if len(told) < len(items):
        raise Untold("an item does not say which")
    return told


def _members(documents: Iterable[object], pointer: Pointer) -> tuple[str, ...]:
    told: list[str] = []
    for held in documents:
        try:
            told.append(_text(member(held, pointer)))
        except KeyError:
            continue
    return tuple(told)


def _text(value: object) -> str:
    """A text as it is, and a whole number in its one spelling. Anything else is read in two ways by somebody."""
    if not isinstance(value, str) or (isinstance(value, Number) and not _WHOLE.fullmatch(value)):
        raise Untold("a value is neither a text nor a whole number")
    return value
