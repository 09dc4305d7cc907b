"""The arithmetic of scores: decay, and counting within a time. Integers only, so that every store comes to the same.

Why decay is right: a half-life has 64 ticks, and a level is only ever moved by whole ticks; the time that it is settled
at moves by as many, so that events that follow closely do not keep it from decaying. Levels are points × 1000.
"""

from typing import Final

import msgspec

from guard.model.abuse import Ratio

UNIT: Final = 1000
"""One point."""

LEVEL_MAX: Final = 10_000 * UNIT

TICKS: Final = 64
_SCALE_BITS: Final = 16
FRACTIONS: Final[tuple[int, ...]] = tuple(round((1 << _SCALE_BITS) * 2 ** (-tick / TICKS)) for tick in range(TICKS))
"""What is left after so many ticks, in 65,536ths."""

FORGET_HALF_LIVES: Final = 14
"""After so many half-lives the highest score is below one point."""

COUNT_MAX: Final = 10_000_000
"""No count goes further: times a day in ms it is below 2^53, so that any store can count with it."""

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
        if self.more(1, now, over_ms) < at_least:  # knockout: signal_needs_enough
            return False
        self.begin_anew()
        return True

    def more(self, amount: int, now: int, over_ms: int) -> int:
        """So many events more: how many there are now."""
        window, elapsed_ms = divmod(now, over_ms)
        if window > self.window:
            self.previous = self.current if window == self.window + 1 else 0
            self.window, self.current = window, 0
        self.current = min(self.current + amount, COUNT_MAX)
        return self.current - (-self.previous * (over_ms - elapsed_ms) // over_ms)

    def begin_anew(self) -> None:
        """Nothing was counted."""
        self.current = self.previous = 0


class Proportion(msgspec.Struct):
    """Events beside their counterparts, within the same time: two counts that begin anew together."""

    events: Count = msgspec.field(default_factory=Count)
    counterparts: Count = msgspec.field(default_factory=Count)

    def add(self, now: int, over_ms: int, at_least: int, ratio: Ratio) -> bool:
        """One event more: whether there are enough now, and too many for their counterparts."""
        events = self.events.more(1, now, over_ms)
        if events < at_least:  # knockout: ratio_needs_enough
            return False
        if events * ratio.counterparts <= self.counterparts.more(0, now, over_ms) * ratio.events:  # knockout: ratio
            return False
        self.events.begin_anew()
        self.counterparts.begin_anew()
        return True

    def counter(self, amount: int, now: int, over_ms: int) -> None:
        """So many counterparts more."""
        self.counterparts.more(amount, now, over_ms)


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
