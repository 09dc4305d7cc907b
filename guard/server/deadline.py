"""The one deadline of a connection, which moves with each step and costs nothing on the way: one timer follows it."""

import asyncio
from collections.abc import Callable
from math import inf

_NEVER_S = inf
_SOON_S = 0.001


class Deadline:
    """Calls `missed` once the time that was last set has passed. Nothing is due until `set`, nor after `clear`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, missed: Callable[[], None]) -> None:
        self._loop = loop
        self._now_s = loop.time
        self._missed = missed
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0
        self._due_s = _NEVER_S

    def set(self, in_ms: int) -> None:
        """Something must happen within `in_ms` from now."""
        self._due_s = due_s = self._now_s() + in_ms / 1000
        if self._timer is None or self._timer_s > due_s:
            self._arm(due_s)

    def clear(self) -> None:
        """Nothing is due."""
        self._due_s = _NEVER_S

    def cancel(self) -> None:
        """Nothing will ever be due again."""
        self._due_s = _NEVER_S
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, due_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_s = due_s
        self._timer = self._loop.call_later(max(due_s - self._now_s(), _SOON_S), self._tick)

    def _tick(self) -> None:
        self._timer = None
        due_s = self._due_s
        if due_s == _NEVER_S:
            return
        if due_s > self._now_s():
            self._arm(due_s)
        else:
            self._due_s = _NEVER_S
            self._missed()
