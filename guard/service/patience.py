"""Where those wait whom a ban slows: no more than a few, none for long, so that nobody can wear us out by waiting."""

import asyncio
from typing import Final

SLEEPERS_MAX: Final = 1000
DELAY_MS_MAX: Final = 2000


class Patience:
    """The waiting room of one process."""

    __slots__ = ("_most", "_waiting")

    def __init__(self, sleepers_max: int = SLEEPERS_MAX) -> None:
        self._most = sleepers_max
        self._waiting = 0

    @property
    def is_full(self) -> bool:
        """Whether nobody more can be made to wait."""
        return self._waiting >= self._most

    async def wait(self, delay_ms: int) -> None:
        """So long, at most 2 s. Whoever finds it full after all does not wait."""
        if self.is_full:
            return
        self._waiting += 1
        try:
            await asyncio.sleep(min(delay_ms, DELAY_MS_MAX) / 1000)
        finally:
            self._waiting -= 1
