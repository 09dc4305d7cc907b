"""The clock of this process: wall time that never goes backwards.

It is anchored to the monotonic clock and follows the wall clock by slewing, at most one millisecond a second, so that a
step of the system's clock neither reopens a window nor closes one (ARCHITECTURE.md section 3, rule 1). Whether the
step was right is for others to say (`service/clock_guard.py`).
"""

from collections.abc import Callable

from guard.model.names import UnixMs

_NS_PER_MS = 1_000_000
_ADJUST_EVERY_NS = 1_000_000_000
_SLEW_NS = 1_000_000


class AnchoredClock:
    """`wall_ns` and `monotonic_ns` are the system's clocks; reading the time is one call of the second."""

    def __init__(self, wall_ns: Callable[[], int], monotonic_ns: Callable[[], int]) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        started_ns = monotonic_ns()
        self._offset_ns = wall_ns() - started_ns
        self._adjust_at_ns = started_ns + _ADJUST_EVERY_NS

    def now(self) -> UnixMs:
        """Unix milliseconds."""
        monotonic_ns = self._monotonic_ns()
        if monotonic_ns >= self._adjust_at_ns:
            self._adjust(monotonic_ns)
        return UnixMs((monotonic_ns + self._offset_ns) // _NS_PER_MS)

    def drift_ms(self) -> int:
        """How far the system's wall clock is ahead of this one."""
        return (self._wall_ns() - self._monotonic_ns() - self._offset_ns) // _NS_PER_MS

    def catch_up(self) -> None:
        """Jump forward to the system's wall clock, if that is ahead. Forward is safe: what was seen is seen."""
        self._offset_ns += max(0, self._wall_ns() - self._monotonic_ns() - self._offset_ns)

    def _adjust(self, monotonic_ns: int) -> None:
        drift_ns = self._wall_ns() - monotonic_ns - self._offset_ns
        self._offset_ns += max(-_SLEW_NS, min(_SLEW_NS, drift_ns))
        self._adjust_at_ns = monotonic_ns + _ADJUST_EVERY_NS
