"""The strict YAML loader: text becomes a Document with the place of every key and value.

It reads YAML 1.2's core schema (`NO` is text, `12:30` is text) and refuses what makes a file mean something else than
it shows: anchors, aliases, tags, merge keys, directives, second documents, duplicate keys, keys that are not text,
missing values, numbers such as `017`. Size, depth, count and length are capped, so that no file takes long.
"""

import re
from typing import Any, NamedTuple

import yaml
from yamlcore import CoreLoader

from guard.policy.diagnostic import Diagnostic, quoted
from guard.policy.document import Document, Path, Span
from guard.policy.yaml_text import text_of

NODES_MAX = 50_000
DEPTH_MAX = 32
KEY_CHARACTERS_MAX = 1_024
VALUE_CHARACTERS_MAX = 8_192
_DIGITS_MAX = 18
_FAULTS_MAX = 50

_TAG = "tag:yaml.org,2002:"
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_TRUE = frozenset({"true", "True", "TRUE"})


def read_document(content: bytes, file: str, name: str = "") -> Document | tuple[Diagnostic, ...]:
    """The document, or everything that is wrong with it. Never raises, whatever the bytes."""
    text = text_of(content, file)
    if not isinstance(text, str):
        return text
    lines = tuple(text.split("\n"))
    reading = _Reading(file, lines)
    composer = _Composer(text)
    try:
        root = composer.single_node()
    except _RefusalError as refusal:
        return (reading.fault(refusal.code, refusal.stretch, refusal.message, refusal.help_text),)
    except yaml.MarkedYAMLError as fault:
        return (reading.syntax(fault),)
    except (ValueError, OverflowError):  # PyYAML's chr() of an escape beyond Unicode
        mark = composer.get_mark()
        return (reading.fault("Y001", _between(mark, mark), "an escape that is no character"),)
    if not isinstance(root, yaml.MappingNode):
        found = "the file is empty" if root is None else "expected a mapping"
        return (Diagnostic(code="Y018", message=f"{found}: a policy begins with `version: 1`", file=file),)
    value = reading.value(root, ())
    if reading.faults or not isinstance(value, dict):
        return tuple(reading.faults)
    return Document(file=file, name=name or file, lines=lines, content=value, keys=reading.keys, values=reading.values)


class _RefusalError(Exception):
    """The text is YAML, but of a kind that is not read."""

    def __init__(self, code: str, message: str, start: Any, end: Any, help_text: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.stretch = _between(start, end)
        self.help_text = help_text


class _Stretch(NamedTuple):
    """From one place in the text to another; lines and columns count from 0, as PyYAML's marks do."""

    line: int
    column: int
    end_line: int
    end_column: int


class _Composer(CoreLoader):  # type: ignore[misc]  # yamlcore has no annotations
    """PyYAML's composer, which gives up at the first thing that is not read here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = 0
        self._depth = 0

    def single_node(self) -> yaml.Node | None:
        """The root of the only document; None if there is none."""
        self.get_event()
        if self.check_event(yaml.StreamEndEvent):
            return None
        self.get_event()
        node: yaml.Node = self.compose_node(None, None)
        self.get_event()
        if not self.check_event(yaml.StreamEndEvent):
            event = self.peek_event()
            hint = "one file, one document: put the other into a file of its own"
            raise _RefusalError("Y009", "a second document", event.start_mark, event.end_mark, hint)
        return node

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node:
        """One node, or a refusal of it or of what is in it."""
        event = self.peek_event()
        self._nodes += 1
        self._depth += 1
        _screen(event)
        if self._nodes > NODES_MAX:
            raise _RefusalError("Y015", f"more than {NODES_MAX:,} values", event.start_mark, event.end_mark)
        if self._depth > DEPTH_MAX:
            raise _RefusalError("Y016", f"nested deeper than {DEPTH_MAX} levels", event.start_mark, event.end_mark)
        node: yaml.Node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def scan_directive(self) -> None:
        """No directive is read, known or not."""
        mark = self.get_mark()
        raise _RefusalError("Y010", "directives are not allowed", mark, mark, "leave the line with `%` out")


def _screen(event: yaml.Event) -> None:
    """Refuse anchors, aliases and tags, before anything is made of them."""
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        hint = "write the value out where it is meant: what you read is what runs; a `*` or `&` in text needs quotes"
        raise _RefusalError("Y006", "anchors and aliases are not allowed", event.start_mark, event.end_mark, hint)
    if getattr(event, "tag", None) is not None:
        raise _RefusalError(
            "Y007",
            "tags are not allowed",
            event.start_mark,
            event.end_mark,
            "a `!` at the start of a text needs quotes",
        )


class _Reading:
    """The walk over composed nodes that makes plain values and notes where each stands."""

    def __init__(self, file: str, lines: tuple[str, ...]) -> None:
        self.faults: list[Diagnostic] = []
        self.keys: dict[Path, Span] = {}
        self.values: dict[Path, Span] = {}
        self._file = file
        self._lines = lines

    def value(self, node: yaml.Node, path: Path) -> object:
        """The plain value of a node and of everything in it."""
        self.values[path] = self._span(_stretch(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        return [self.value(child, (*path, position)) for position, child in enumerate(node.value)]

    def fault(self, code: str, stretch: _Stretch, message: str, help_text: str = "") -> Diagnostic:
        """A diagnostic at a stretch of the text."""
        span = self._span(stretch)
        return Diagnostic(
            code=code,
            message=message,
            file=self._file,
            line=span.line,
            column=span.column,
            width=span.width,
            source_line=self._line(span.line - 1),
            help=help_text,
        )

    def syntax(self, fault: yaml.MarkedYAMLError) -> Diagnostic:
        """What PyYAML says, at the place that it means."""
        mark: Any = fault.problem_mark or fault.context_mark
        at = _Stretch(mark.line, mark.column, mark.line, mark.column + 1)
        hint = ""
        if "{" in self._line(mark.line):
            hint = "braces inside `[…]` or `{…}` need quotes; write a route as a key on a line of its own"
        return self.fault("Y001", at, str(fault.problem), hint)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        content: dict[str, object] = {}
        for key, child in node.value:
            if not self._key_is_text(key, numbers=path[-1:] == ("steps",)):
                continue
            here = (*path, key.value)
            if key.value in content:
                first = self.keys[here].line
                self._add("Y004", key, f"duplicate key {quoted(key.value)}", f"first defined at line {first}")
                continue
            self.keys[here] = self._span(_stretch(key))
            if _is_null(child):
                self._add("Y012", key, f"{quoted(key.value)} has no value", "give a value, or leave the field out")
            else:
                content[key.value] = self.value(child, here)
        return content

    def _key_is_text(self, key: yaml.Node, *, numbers: bool) -> bool:
        """Where `numbers` stand for keys, they are taken as they are written."""
        if not isinstance(key, yaml.ScalarNode):
            self._add("Y011", key, "a key must be text")
        elif key.style is None and key.value == "<<":
            self._add("Y008", key, "merge keys are not allowed", "write the fields out")
        elif key.tag != _TAG + "str" and not (numbers and _DECIMAL.fullmatch(key.value)):
            self._add("Y011", key, f"the key {quoted(key.value)} is not text", "put it in quotes")
        elif not _is_visible(key.value):
            self._add("Y003", key, "a character that cannot be seen, written as an escape", "leave it out")
        elif len(key.value) > KEY_CHARACTERS_MAX:
            self._add("Y017", key, f"a key of more than {KEY_CHARACTERS_MAX:,} characters")
        else:
            return True
        return False

    def _scalar(self, node: yaml.ScalarNode) -> object:
        text: str = node.value
        kind = node.tag.removeprefix(_TAG)
        if len(text) > VALUE_CHARACTERS_MAX:
            self._add("Y017", node, f"a value of more than {VALUE_CHARACTERS_MAX:,} characters")
        elif not _is_visible(text):
            self._add("Y003", node, "a character that cannot be seen, written as an escape", "leave it out")
        elif kind == "null":
            self._add("Y012", node, "no value here", "give a value, or leave the entry out")
        elif kind == "bool":
            return text in _TRUE
        elif kind == "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        elif kind == "int":
            return self._integer(node, text)
        return text

    def _integer(self, node: yaml.ScalarNode, text: str) -> int:
        if _DECIMAL.fullmatch(text) is None:
            hint = "write it in decimal, without leading zeros or a plus; quote it if it is text"
            self._add("Y013", node, f"{quoted(text)} is read in two ways", hint)
        elif len(text) > _DIGITS_MAX:
            self._add("Y017", node, f"a number of more than {_DIGITS_MAX} digits")
        else:
            return int(text)
        return 0

    def _add(self, code: str, node: yaml.Node, message: str, help_text: str = "") -> None:
        if len(self.faults) < _FAULTS_MAX:
            self.faults.append(self.fault(code, _stretch(node), message, help_text))

    def _span(self, stretch: _Stretch) -> Span:
        line = self._line(stretch.line)
        end = stretch.end_column if stretch.end_line == stretch.line else len(line)
        return Span(stretch.line + 1, stretch.column + 1, max(1, end - stretch.column))

    def _line(self, number: int) -> str:
        return self._lines[number] if number < len(self._lines) else ""


def _between(start: Any, end: Any) -> _Stretch:
    return _Stretch(start.line, start.column, end.line, end.column)


def _stretch(node: yaml.Node) -> _Stretch:
    return _between(node.start_mark, node.end_mark)


def _is_null(node: yaml.Node) -> bool:
    return bool(node.tag == _TAG + "null")


def _is_visible(text: str) -> bool:
    """Whether an escape has brought in what could not have been typed. A line end is fine."""
    return text.replace("\n", "").isprintable()
