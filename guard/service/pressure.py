"""How strained the gateway itself is: messages in flight, and how late the event loop runs. What is refused for it is
the core's to say (`core/checks/room.py`).

A loop that is late once has had something long to do; one that stays late has more to do than it can. So lateness
counts only as far as all of the last beats show it.
"""

import asyncio
import time
from collections import deque
from typing import Final

from guard.model.policy import Urgency

BEAT_MS: Final = 20
_BEATS: Final = 4

_LATE_MS: Final = ((50, Urgency.READ), (100, Urgency.ORDER), (200, Urgency.CRITICAL))
_FULL_PERCENT: Final = ((50, Urgency.READ), (75, Urgency.ORDER), (90, Urgency.CRITICAL))
"""From which lateness, and from which share of `in_flight_max`, on what is less urgent must wait."""

_EVERYTHING: Final = Urgency.CRITICAL + 1


class Pressure:
    """Counts what is in flight. `beating` must run beside the messages, or lateness is not seen."""

    def __init__(self, in_flight_max: int) -> None:
        self._in_flight_max = in_flight_max
        self._steps = sorted((in_flight_max * percent // 100, int(urgency)) for percent, urgency in _FULL_PERCENT)
        self._crowded_from = self._steps[0][0]
        self._late_ms: deque[int] = deque([0] * _BEATS, maxlen=_BEATS)
        self._by_lateness = 0
        self.in_flight = 0

    def strain(self) -> int:
        """Messages less urgent than this must wait; 0 is no strain, and nothing at all is less urgent."""
        if self.in_flight < self._crowded_from:
            return self._by_lateness
        return max(self._by_lateness, self._by_crowd())

    def beat(self, late_ms: int) -> None:
        """The loop came round, so many milliseconds late."""
        self._late_ms.append(late_ms)
        steady_ms = min(self._late_ms)
        self._by_lateness = max((int(urgency) for limit_ms, urgency in _LATE_MS if steady_ms >= limit_ms), default=0)

    async def beating(self) -> None:
        """Beat until cancelled."""
        while True:
            due_ns = time.monotonic_ns() + BEAT_MS * 1_000_000
            await asyncio.sleep(BEAT_MS / 1000)
            self.beat((time.monotonic_ns() - due_ns) // 1_000_000)

    def _by_crowd(self) -> int:
        if self.in_flight >= self._in_flight_max:
            return _EVERYTHING
        return max((urgency for limit, urgency in self._steps if self.in_flight >= limit), default=0)
