"""The arithmetic of scores: decay, and counting within a time. Integers only, so that every store comes to the same.

Why decay is right: a half-life has 64 ticks, and a level is only ever moved by whole ticks; the time that it is settled
at moves by as many, so that events that follow closely do not keep it from decaying. Levels are points × 1000.
"""

from typing import Final

import msgspec

UNIT: Final = 1000
"""One point."""

LEVEL_MAX: Final = 10_000 * UNIT

TICKS: Final = 64
_SCALE_BITS: Final = 16
FRACTIONS: Final[tuple[int, ...]] = tuple(round((1 << _SCALE_BITS) * 2 ** (-tick / TICKS)) for tick in range(TICKS))
"""What is left after so many ticks, in 65,536ths."""

FORGET_HALF_LIVES: Final = 14
"""After so many half-lives the highest score is below one point."""

_HALVES_MAX: Final = 32


def decayed(level: int, at: int, now: int, half_life_ms: int) -> tuple[int, int]:
    """The level at `now`, and the time to go on from."""
    tick_ms = max(1, half_life_ms // TICKS)
    ticks = max(0, now - at) // tick_ms
    if ticks == 0:
        return level, at
    halves, rest = divmod(ticks, TICKS)
    left = 0 if halves >= _HALVES_MAX else (level >> halves) * FRACTIONS[rest] >> _SCALE_BITS
    return left, at + ticks * tick_ms


class Count(msgspec.Struct, gc=False):
    """How many events there were within a time that slides: those of this window, and a share of the one before.

    Exact where events come evenly or at once; else never off by more than one window's events. A count that has fired
    starts anew.
    """

    window: int = 0
    current: int = 0
    previous: int = 0

    def add(self, now: int, over_ms: int, at_least: int) -> bool:
        """One event more: whether there are enough now."""
        window, elapsed_ms = divmod(now, over_ms)
        if window > self.window:
            self.previous = self.current if window == self.window + 1 else 0
            self.window, self.current = window, 0
        self.current += 1
        weighed = -(-self.previous * (over_ms - elapsed_ms) // over_ms)
        if self.current + weighed < at_least:  # knockout: signal_needs_enough
            return False
        self.current = self.previous = 0
        return True


class Values(msgspec.Struct):
    """Which different values there were, and when each came last. Never more than a signal asks for."""

    seen: dict[str, int] = {}

    def add(self, value: str, now: int, over_ms: int, at_least: int) -> bool:
        """One event more: whether there are enough different values now."""
        self.seen[value] = now
        self.seen = {known: at for known, at in self.seen.items() if now - at < over_ms}
        if len(self.seen) < at_least:  # knockout: values_are_enough
            return False
        self.seen = {}
        return True
