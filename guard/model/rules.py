"""Where a rule comes from and how earnestly it is meant."""

from enum import StrEnum

import msgspec


class Mode(StrEnum):
    """enforce: a Deny ends the line. shadow: it is recorded and carried along. off: the rule is not asked."""

    ENFORCE = "enforce"
    SHADOW = "shadow"
    OFF = "off"


class Rule(msgspec.Struct, frozen=True, gc=False):
    """A line of a policy that can deny: its name (`limits.key`), where it stands, and its mode."""

    name: str
    file: str
    line: int
    mode: Mode = Mode.ENFORCE

    def __str__(self) -> str:
        return f"{self.name} ({self.file}:{self.line})"
