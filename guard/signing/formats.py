"""The strict text forms of a profile: a small part of regular expressions in which no match can take long.

Allowed are literal characters, escaped punctuation, positive classes, groups with alternatives, and the repetitions
`{n}`, `{n,m}` and `?`; a group may only be followed by `?`. There is no unbounded repetition, so a form also says how
long a value may be, and the number of ways to match it is counted and capped. A form always matches the whole value.
"""

import re
import string

WAYS_MAX = 10_000
BYTES_MAX = 8192
CHARACTERS_MAX = 256
NESTING_MAX = 4

_PLAIN = frozenset(string.ascii_letters + string.digits + " !\"#%&',/:;<=>@_`~-")
_ESCAPABLE = frozenset(string.punctuation)
_REPETITION = re.compile(r"\{([0-9]{1,4})(?:,([0-9]{1,4}))?\}")


class FormatFault(ValueError):  # noqa: N818  # faults are of the text, errors of the program
    """Why the expression is not allowed, for the author of a profile."""


def compile_format(expression: str) -> re.Pattern[bytes]:
    """A pattern to be used with `fullmatch`, linear in the value's length. Raises FormatFault."""
    core = expression.removeprefix("^")
    if core.endswith("$") and not core.endswith("\\$"):
        core = core[:-1]
    if len(core) > CHARACTERS_MAX:
        raise FormatFault(f"it is longer than {CHARACTERS_MAX} characters")
    parser = _Parser(core)
    ways, longest = parser.alternatives()
    if parser.rest():
        raise FormatFault(f"a stray ')' at {parser.index}")
    if ways > WAYS_MAX or longest > BYTES_MAX:
        raise FormatFault(f"it matches in {ways} ways up to {longest} bytes; {WAYS_MAX} and {BYTES_MAX} are allowed")
    try:
        return re.compile(core.encode("ascii"))
    except re.error as fault:
        raise FormatFault(str(fault)) from fault


class _Parser:
    """Walks an expression once. Each step returns in how many ways it can match, and how many bytes at most."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.index = 0
        self.nesting = 0

    def rest(self) -> str:
        return self.text[self.index :]

    def alternatives(self) -> tuple[int, int]:
        ways, longest = self._sequence()
        while self.rest().startswith("|"):
            self.index += 1
            more_ways, more_bytes = self._sequence()
            ways, longest = ways + more_ways, max(longest, more_bytes)
        return ways, longest

    def _sequence(self) -> tuple[int, int]:
        ways, longest = 1, 0
        while self.rest() and self.rest()[0] not in "|)":
            atom_ways, atom_bytes = self._group() if self.rest()[0] == "(" else self._character()
            ways, longest = ways * atom_ways, longest + atom_bytes
        return ways, longest

    def _group(self) -> tuple[int, int]:
        self.index += 1
        if self.rest().startswith("?"):
            raise FormatFault("groups have no extensions")
        self.nesting += 1
        if self.nesting > NESTING_MAX:
            raise FormatFault(f"groups are nested more than {NESTING_MAX} deep")
        ways, longest = self.alternatives()
        if not self.rest().startswith(")"):
            raise FormatFault("a group is not closed")
        self.nesting -= 1
        self.index += 1
        if self.rest().startswith("{"):
            raise FormatFault("a group may only be followed by '?'")
        return (ways + 1, longest) if self._optional() else (ways, longest)

    def _character(self) -> tuple[int, int]:
        character = self.text[self.index]
        if character == "[":
            self._class()
        elif character == "\\":
            self._escaped()
        elif character in _PLAIN:
            self.index += 1
        else:
            raise FormatFault(f"{character!r} at {self.index} is not allowed here; repetition is written {{n,m}}")
        return self._repetition()

    def _repetition(self) -> tuple[int, int]:
        if self._optional():
            return 2, 1
        if not self.rest().startswith("{"):
            return 1, 1
        match = _REPETITION.match(self.text, self.index)
        if match is None:
            raise FormatFault("a repetition is written {n} or {n,m}")
        self.index = match.end()
        low, high = int(match[1]), int(match[2] or match[1])
        if low > high or self.rest()[:1] in ("?", "{"):
            raise FormatFault("a repetition runs from less to more, once")
        return high - low + 1, high

    def _optional(self) -> bool:
        if not self.rest().startswith("?"):
            return False
        self.index += 1
        if self.rest()[:1] in ("?", "{"):
            raise FormatFault("a repetition is not repeated")
        return True

    def _escaped(self) -> None:
        if self.rest()[1:2] not in _ESCAPABLE or len(self.rest()) == 1:
            raise FormatFault("only punctuation is escaped")
        self.index += 2

    def _class(self) -> None:
        self.index += 1
        if self.rest().startswith(("^", "]")):
            raise FormatFault("a class lists what it allows")
        while self.rest() and self.rest()[0] != "]":
            if self.rest()[0] == "\\":
                self._escaped()
            elif self.rest()[:2] in ("--", "&&", "||", "~~"):
                raise FormatFault("a class has no set operations")
            elif " " <= self.rest()[0] <= "~" and self.rest()[0] != "[":
                self.index += 1
            else:
                raise FormatFault("a class holds visible ASCII characters")
        if not self.rest():
            raise FormatFault("a class is not closed")
        self.index += 1
