"""JSON as it is judged here (RFC 8259, RFC 6901): strictly, so that no two programs read two things in it.

Refused are duplicate names, names with U+0000 (where C's texts end), NaN and infinities, a byte order mark, bad UTF-8,
lone surrogates in what is taken, and nesting beyond 32. Numbers keep the text they arrived in.
"""

import json
import re
import unicodedata
from json import JSONDecoder
from typing import TypeAlias

Pointer: TypeAlias = tuple[str, ...]
"""A JSON Pointer (RFC 6901), unescaped, one entry a step."""

DEPTH_MAX = 32

_PUNCTUATION = str.maketrans(". -", "___")

_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


class DocumentFault(ValueError):  # noqa: N818  # faults are of the text, errors of the program
    """The text is not a document that everybody reads alike, or lacks what was asked of it."""


class Number(str):
    """A number's text as received: 1.0 stays 1.0, and a long one costs nothing."""

    __slots__ = ()


def parse(text: bytes) -> object:
    """The document. Raises DocumentFault."""
    try:
        decoded = text.decode()
        _refuse_depth(decoded)
        return _DECODER.decode(decoded)
    except (json.JSONDecodeError, UnicodeDecodeError) as fault:
        raise DocumentFault("the body is not JSON") from fault


def find(document: object, pointer: Pointer) -> object:
    """What stands at the pointer. Raises KeyError if nothing does."""
    here = document
    for step in pointer:
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and step.isdecimal() and step.isascii() and int(step) < len(here):
            here = here[int(step)]
        else:
            raise KeyError(step)
    return here


def find_alone(document: object, pointer: Pointer) -> object:
    """`find`, where nothing beside it has a name that a program could take for a step: many ignore case.

    Raises DocumentFault where something has, KeyError where nothing stands at all.
    """
    here = document
    for step in pointer:
        wanted = alike(step)
        if isinstance(here, dict) and any(name != step and alike(name) == wanted for name in here):
            raise DocumentFault("a name of the body is spelled otherwise")
        here = find(here, (step,))
    return here


def alike(name: str) -> str:
    """Equal for names that some program takes for one: they differ in case, compatible forms, blanks or punctuation."""
    folded = name if name.isascii() else unicodedata.normalize("NFKC", name)
    return folded.casefold().strip().translate(_PUNCTUATION)


def scalar(value: object) -> bytes:
    """A text's UTF-8, or a number's text. Raises DocumentFault for anything else."""
    if not isinstance(value, str):
        raise DocumentFault("a value that must be a text or a number is something else")
    try:
        return value.encode()
    except UnicodeEncodeError as fault:
        raise DocumentFault("a text holds half a character") from fault


def sorted_pairs(value: object, excluded: frozenset[str]) -> bytes:
    """`name=value` of an object's members joined by `&`, sorted by name, less the excluded ones (Binance WebSocket)."""
    if not isinstance(value, dict):
        raise DocumentFault("what must be an object is something else")
    names = sorted(name for name in value if name not in excluded)
    return b"&".join(scalar(name) + b"=" + _plain(value[name]) for name in names)


def raw_value(text: bytes, pointer: Pointer) -> bytes:
    """The exact bytes that stand at the pointer in the text, white space around them excluded."""
    parse(text)
    decoded = text.decode()
    index = _past_blanks(decoded, 0)
    for step in pointer:
        index = _entered(decoded, index, step)
    end = _DECODER.raw_decode(decoded, index)[1]
    return decoded[index:end].encode()


def _plain(value: object) -> bytes:
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return scalar(value)


def _refuse_depth(text: str) -> None:
    depth = 0
    for token in _STRUCTURE.finditer(text):
        if token[0] in ("{", "["):
            depth += 1
            if depth > DEPTH_MAX:
                raise DocumentFault(f"the body is nested more than {DEPTH_MAX} deep")
        elif token[0] in ("}", "]"):
            depth -= 1


def _unique(members: list[tuple[str, object]]) -> dict[str, object]:
    unique = dict(members)
    if len(unique) < len(members):
        raise DocumentFault("a name occurs twice in one object of the body")
    if "\0" in "".join(unique):  # knockout: names_end_where_they_end
        raise DocumentFault("a name of the body holds U+0000")
    return unique


def _no_constant(_: str) -> object:
    raise DocumentFault("the body holds a number that JSON does not have")


_DECODER = JSONDecoder(
    object_pairs_hook=_unique, parse_int=Number, parse_float=Number, parse_constant=_no_constant, strict=True
)


def _past_blanks(text: str, index: int) -> int:
    while text[index] in " \t\r\n":
        index += 1
    return index


def _entered(text: str, index: int, step: str) -> int:
    """Where the member or item `step` begins, of the object or array that begins at `index` of a valid document."""
    opening, position = text[index], 0
    if opening not in "{[":
        raise DocumentFault("the body lacks what its scheme names")
    index = _past_blanks(text, index + 1)
    while text[index] not in "}]":
        name: object = str(position)
        if opening == "{":
            name, index = _DECODER.raw_decode(text, index)
            index = _past_blanks(text, _past_blanks(text, index) + 1)
        if name == step:
            return index
        index = _past_blanks(text, _DECODER.raw_decode(text, index)[1])
        index = _past_blanks(text, index + 1) if text[index] == "," else index
        position += 1
    raise DocumentFault("the body lacks what its scheme names")
