"""What a run came to: what was asked, what was measured, and whether that held."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

Say: TypeAlias = Callable[[str], None]
"""Tells how a run gets on."""


class Check(msgspec.Struct, frozen=True):
    """One thing that must hold. `timed` ones depend on how fast the machine is, and count at full size only."""

    what: str
    measured: str
    held: bool
    timed: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """One run's checks."""

    name: str
    checks: tuple[Check, ...]

    @property
    def held(self) -> bool:
        return all(check.held for check in self.checks)

    @property
    def broken(self) -> list[str]:
        """What did not hold, apart from what depends on the machine."""
        return [f"{check.what}: {check.measured}" for check in self.checks if not check.held and not check.timed]


def none(what: str, count: int) -> Check:
    """Something that must not happen."""
    return Check(what, str(count), count == 0)


def at_most(what: str, measured: float, bound: float, unit: str = "", *, timed: bool = False) -> Check:
    """A bound from above."""
    return Check(f"{what}: at most {bound:g}{unit}", f"{measured:g}{unit}", measured <= bound, timed)


def at_least(what: str, measured: float, bound: float, unit: str = "", *, timed: bool = False) -> Check:
    """A bound from below."""
    return Check(f"{what}: at least {bound:g}{unit}", f"{measured:g}{unit}", measured >= bound, timed)
