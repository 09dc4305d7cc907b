"""One problem in one place of one file, and its printed forms. Whoever makes one leaves secrets out."""

import difflib
from collections.abc import Iterable
from enum import StrEnum

import msgspec

_QUOTED_CHARACTERS_MAX = 60
_LINE_CHARACTERS_MAX = 400


class Severity(StrEnum):
    """error: the policies are not used. warning: they are, and somebody should look."""

    ERROR = "error"
    WARNING = "warning"


class Diagnostic(msgspec.Struct, frozen=True, kw_only=True):
    """One problem. `line` and `column` count from 1, in characters; both are 0 where the whole file is meant.

    `width` is how many characters the caret underlines.
    """

    code: str
    severity: Severity = Severity.ERROR
    message: str
    file: str
    line: int = 0
    column: int = 0
    width: int = 1
    source_line: str = ""
    help: str = ""


def render(diagnostic: Diagnostic) -> str:
    """The long form: one line that editors can jump to, the source line with a caret, and the help."""
    rows = [concise(diagnostic)]
    gutter = " " * len(str(diagnostic.line))
    if diagnostic.line and len(diagnostic.source_line) <= _LINE_CHARACTERS_MAX:
        caret = " " * (diagnostic.column - 1) + "^" * diagnostic.width
        rows += [f"{gutter} |", f"{diagnostic.line} | {visible(diagnostic.source_line)}", f"{gutter} | {caret}"]
    if diagnostic.help:
        rows.append(f"{gutter} = help: {diagnostic.help}")
    return "\n".join(rows)


def concise(diagnostic: Diagnostic) -> str:
    """The first line of the long form, and nothing else."""
    place = f"{diagnostic.file}:{diagnostic.line}:{diagnostic.column}" if diagnostic.line else diagnostic.file
    return f"{visible(place)}: {diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}"


def to_json(diagnostics: Iterable[Diagnostic]) -> str:
    """A JSON array of objects with the fields of Diagnostic."""
    return msgspec.json.encode(list(diagnostics)).decode()


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """By file, then by position, each once."""
    unique = dict.fromkeys(diagnostics)
    return tuple(sorted(unique, key=lambda one: (one.file, one.line, one.column, one.code, one.message)))


def visible(text: str) -> str:
    """The text with every character that a terminal would act on, or not show, replaced by one that it shows."""
    return "".join(character if character.isprintable() else "�" for character in text)


def quoted(text: object) -> str:
    """Something of the policy's author in backquotes, cut short."""
    shown = visible(str(text))
    return f"`{shown if len(shown) <= _QUOTED_CHARACTERS_MAX else shown[:_QUOTED_CHARACTERS_MAX] + '…'}`"


def nearest(word: object, known: Iterable[str]) -> str | None:
    """The one of `known` that was probably meant."""
    text = str(word)[:_QUOTED_CHARACTERS_MAX]
    return next(iter(difflib.get_close_matches(text, sorted(known), 1, 0.6)), None)


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """A help text, empty if nothing comes close."""
    found = nearest(word, known)
    return f"did you mean `{found}`?" if found is not None else ""
