"""The one deadline of a connection, which moves with each step and costs nothing on the way: one timer follows it."""

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls `missed` once the time that was last set has passed. Nothing is due until `set`, nor after `clear`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, missed: Callable[[], None]) -> None:
        self._loop = loop
        self._missed = missed
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0
        self._due_ms: int | None = None

    def set(self, in_ms: int) -> None:
        """Something must happen within `in_ms` from now."""
        self._due_ms = due_ms = self._now_ms() + in_ms
        if self._timer is None or self._timer_ms > due_ms:
            self._arm(due_ms)

    def clear(self) -> None:
        """Nothing is due."""
        self._due_ms = None

    def cancel(self) -> None:
        """Nothing will ever be due again."""
        self._due_ms = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _now_ms(self) -> int:
        return int(self._loop.time() * 1000)

    def _arm(self, due_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ms = due_ms
        self._timer = self._loop.call_later(max(due_ms - self._now_ms(), 1) / 1000, self._tick)

    def _tick(self) -> None:
        self._timer = None
        due_ms = self._due_ms
        if due_ms is None:
            return
        if due_ms > self._now_ms():
            self._arm(due_ms)
        else:
            self._due_ms = None
            self._missed()
