"""What an answer tells in a field of its own: one whole number, said once. Anything else tells nothing."""

import re
from collections.abc import Collection, Sequence
from typing import Final

from guard.model.facts import Field

TOLD_MAX: Final = 1_000_000
"""No answer tells of more than so many: what stores add up stays far below 2^53."""

_WHOLE: Final = re.compile(rb"0|[1-9][0-9]{0,14}")


def whole_number(text: bytes) -> int | None:
    """What is written in its one spelling, of at most 15 digits; None for anything else."""
    return int(text) if _WHOLE.fullmatch(text) is not None else None


def number_told(name: bytes, fields: Sequence[Field]) -> int | None:
    """The number in the field of this name; None where there is none, or more than one field."""
    said = [value for field, value in fields if field.lower() == name]
    return whole_number(said[0]) if len(said) == 1 else None


def numbers_told(names: Collection[bytes], fields: Sequence[Field]) -> dict[bytes, int] | None:
    """The numbers in the fields of these names, each at most TOLD_MAX; None where there are none."""
    for field, _ in fields:
        if field.lower() in names:
            break
    else:  # almost every answer
        return None
    found = {name: number_told(name, fields) for name in names}
    return {name: min(number, TOLD_MAX) for name, number in found.items() if number is not None} or None
