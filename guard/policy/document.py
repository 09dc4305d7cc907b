"""A YAML file after it was read: plain values, and where in the text each of them stands."""

from collections.abc import Mapping

import msgspec

from guard.policy.diagnostic import Diagnostic, Severity

Path = tuple[str | int, ...]
"""The way to a value: keys and list positions, from the root."""


class Span(msgspec.Struct, frozen=True, gc=False):
    """A piece of one line; line and column count from 1."""

    line: int
    column: int
    width: int


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """`content` holds dicts, lists, text, integers, floats and booleans, never None. Every path in it has a place.

    `file` is the name to show, `name` the one within its directory. `lists` are the lists of networks in files beside
    it that it names, by their names. `elsewhere` are the parts that stand in another file, with their paths there, and
    `broken` the top-level parts of which something could not be found.
    """

    file: str
    name: str
    lines: tuple[str, ...]
    content: Mapping[str, object]
    keys: Mapping[Path, Span]
    values: Mapping[Path, Span]
    lists: Mapping[str, tuple[str, ...]] = {}
    elsewhere: Mapping[Path, tuple["Document", Path]] = {}
    broken: frozenset[str] = frozenset()

    def home(self, path: Path) -> tuple["Document", Path]:
        """In which file `path` stands, and its path there."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.elsewhere:
                document, there = self.elsewhere[path[:length]]
                return document, (*there, *path[length:])
        return self, path

    def place(self, path: Path) -> tuple[str, int]:
        """The name of the file in which the key of `path` stands, and the line."""
        document, there = self.home(path)
        return document.name, document.span(there, key=True).line

    def span(self, path: Path, *, key: bool = False) -> Span:
        """Where `path` stands in this file; the nearest place above it if the file does not name it."""
        while path not in self.values:
            path = path[:-1]
        return self.keys.get(path, self.values[path]) if key else self.values[path]

    def fault(
        self,
        code: str,
        path: Path,
        message: str,
        *,
        help_text: str = "",
        key: bool = False,
        severity: Severity = Severity.ERROR,
        hide: bool = False,
    ) -> Diagnostic:
        """A diagnostic at `path`: at its key or at its value. `hide` masks the value, because it may hold a secret."""
        home, there = self.home(path)
        span = home.span(there, key=key)
        line = home.lines[span.line - 1] if span.line <= len(home.lines) else ""
        if home is not self:
            help_text = "; ".join([*([help_text] if help_text else []), f"{self.name} uses it"])
        if hide:
            start = span.column - 1
            line = line[:start] + "*" * span.width + line[start + span.width :]
        return Diagnostic(
            code=code,
            severity=severity,
            message=message,
            file=home.file,
            line=span.line,
            column=span.column,
            width=span.width,
            source_line=line,
            help=help_text,
        )
