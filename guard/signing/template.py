"""A signature base as text → syntax tree, once, when a profile is compiled. Nothing is evaluated here.

Text stands for itself, `{…}` for a value: a name, a place in the message (`fix:35`, `ws:/params`, `json:/nonce`), or a
function over such. `{{` and `}}` are braces. Names and functions not on a list are refused.
"""

import re
from typing import TypeAlias

import msgspec

from guard.signing.functions import DOCUMENT_FUNCTIONS, FUNCTIONS
from guard.wire.documents import Pointer

NESTING_MAX = 8
CHARACTERS_MAX = 4096

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAG = re.compile(r"fix:([1-9][0-9]{0,4})(?![0-9])")
_PLACE = re.compile(r"(?:ws|json):((?:/[A-Za-z0-9_.~-]+)+)")
_TEXT = re.compile(r"'([^']*)'")
_NUMBER = re.compile(r"[0-9]{1,3}(?![0-9])")


class TemplateFault(ValueError):  # noqa: N818  # faults are of the text, errors of the program
    """Why a template cannot be used, and where in its text."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(f"{message} (character {index + 1})")


class Text(msgspec.Struct, frozen=True):
    """Bytes that stand for themselves."""

    content: bytes


class Name(msgspec.Struct, frozen=True):
    """A part of the message, or a value that the scheme took from it."""

    name: str


class Tag(msgspec.Struct, frozen=True):
    """The value of a FIX field."""

    tag: bytes


class Place(msgspec.Struct, frozen=True):
    """What stands at a JSON pointer of the body."""

    pointer: Pointer


class Call(msgspec.Struct, frozen=True):
    """A function over other nodes."""

    function: str
    arguments: tuple["Node", ...]


Node: TypeAlias = Text | Name | Tag | Place | Call


def parse_template(text: str, names: frozenset[str]) -> tuple[Node, ...]:
    """The nodes whose values, joined, are the signature base. Raises TemplateFault."""
    if len(text) > CHARACTERS_MAX:
        raise TemplateFault(f"it is longer than {CHARACTERS_MAX} characters", CHARACTERS_MAX)
    return _Parser(text, names).nodes()


def parse_pointer(text: str) -> Pointer:
    """A JSON Pointer (RFC 6901) that names at least one step."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])


class _Parser:
    """Recursive descent over one template. `index` is always at the next character to read."""

    def __init__(self, text: str, names: frozenset[str]) -> None:
        self.text = text
        self.names = names
        self.index = 0

    def nodes(self) -> tuple[Node, ...]:
        found: list[Node] = []
        while self.index < len(self.text):
            found.append(self._braced() if self._at_value() else self._literal())
        return tuple(found)

    def _at_value(self) -> bool:
        return self.text[self.index] == "{" and self.text[self.index + 1 : self.index + 2] != "{"

    def _literal(self) -> Text:
        two = self.text[self.index : self.index + 2]
        if two in ("{{", "}}"):
            self.index += 2
            return Text(two[:1].encode())
        if two[0] == "}":
            raise TemplateFault("a brace that nothing opened; a brace itself is written twice", self.index)
        end = min((at for at in (self.text.find(b, self.index) for b in "{}") if at >= 0), default=len(self.text))
        content, self.index = self.text[self.index : end], end
        return Text(content.encode())

    def _braced(self) -> Node:
        self.index += 1
        node = self._expression(1)
        if isinstance(node, Text):
            raise TemplateFault("a text inside braces stands for nothing but itself", self.index)
        self._expect("}")
        return node

    def _expression(self, nesting: int) -> Node:
        if nesting > NESTING_MAX:
            raise TemplateFault(f"functions are nested more than {NESTING_MAX} deep", self.index)
        self._skip_blanks()
        if match := self._accept(_TAG):
            return Tag(match[1].encode())
        if match := self._accept(_PLACE):
            return Place(parse_pointer(match[1]))
        if match := self._accept(_TEXT):
            return Text(match[1].encode())
        if match := self._accept(_NUMBER):
            return Text(match[0].encode())
        start = self.index
        if match := self._accept(_NAME):
            if self.text[self.index : self.index + 1] == "(":
                return self._call(match[0], start, nesting)
            return self._name(match[0], start)
        raise TemplateFault("here a name, a function, a place or a text in single quotes was expected", self.index)

    def _name(self, name: str, start: int) -> Name:
        if name not in self.names:
            raise TemplateFault(f"unknown name {name!r}; known are {', '.join(sorted(self.names))}", start)
        return Name(name)

    def _call(self, function: str, start: int, nesting: int) -> Call:
        if function not in FUNCTIONS and function not in DOCUMENT_FUNCTIONS:
            known = ", ".join(sorted((*FUNCTIONS, *DOCUMENT_FUNCTIONS)))
            raise TemplateFault(f"unknown function {function!r}; known are {known}", start)
        self.index += 1
        arguments = [self._expression(nesting + 1)]
        self._skip_blanks()
        while self.text[self.index : self.index + 1] == ",":
            self.index += 1
            arguments.append(self._expression(nesting + 1))
            self._skip_blanks()
        self._expect(")")
        call = Call(function, tuple(arguments))
        _refuse_bad_arguments(call, start)
        return call

    def _accept(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.index)
        if match is not None:
            self.index = match.end()
        return match

    def _expect(self, character: str) -> None:
        self._skip_blanks()
        if self.text[self.index : self.index + 1] != character:
            raise TemplateFault(f"here {character!r} was expected", self.index)
        self.index += 1

    def _skip_blanks(self) -> None:
        while self.text[self.index : self.index + 1] == " ":
            self.index += 1


def _refuse_bad_arguments(call: Call, start: int) -> None:
    if call.function in DOCUMENT_FUNCTIONS:
        most, least, literal_from = DOCUMENT_FUNCTIONS[call.function], 1, 1
        if not isinstance(call.arguments[0], Place):
            raise TemplateFault(f"{call.function} works on a place in the body, like ws:/params", start)
    else:
        function = FUNCTIONS[call.function]
        most, least = function.most, function.least
        literal_from = len(call.arguments) if function.literal_from is None else function.literal_from
    if len(call.arguments) < least or (most is not None and len(call.arguments) > most):
        raise TemplateFault(f"{call.function} does not take {len(call.arguments)} arguments", start)
    if not all(isinstance(argument, Text) for argument in call.arguments[literal_from:]):
        raise TemplateFault(f"{call.function} takes texts in quotes or numbers after its first argument", start)
    if call.function == "split" and not _is_usable_split(call.arguments):
        raise TemplateFault("split takes a separator in quotes and a number", start)


def _is_usable_split(arguments: tuple[Node, ...]) -> bool:
    _, separator, index = arguments
    return (
        isinstance(separator, Text) and bool(separator.content) and isinstance(index, Text) and index.content.isdigit()
    )
