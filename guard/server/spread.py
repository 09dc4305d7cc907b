"""An even spread of connections over processes that accept from one socket.

The system wakes all that wait, and whoever comes first takes what there is: a few clients that keep their connections
end up with one process (measured: docs/adr/0001-where-we-left-the-plan.md). So each process writes how many connections
it holds into memory that all of them see, and one that is ahead of another leaves newcomers to it for a moment. After
that it takes as many as it is ahead: once a process hangs, the others soon wait for it no more.
"""

import sys
from typing import Final

ABSENT: Final = 2**62
SLOT_BYTES: Final = 8


class Spread:
    """One process's view of memory that has a slot of 8 bytes for each, all ABSENT at first.

    A slot is written by its process alone, and read by the others without a lock: what is read too late costs evenness
    and nothing else.
    """

    def __init__(self, memory: memoryview, own: int) -> None:
        self._counts = memory.cast("q")
        self._own = own

    def hold(self, connections: int) -> None:
        """Tell the others how many connections this process holds; ABSENT: that it takes none."""
        self._counts[self._own] = connections

    def ahead(self) -> int:
        """How many connections more this process holds than another; 0 also while that is an eighth at most."""
        own, least = self._counts[self._own], min(self._counts)
        return own - least if own > least + least // 8 else 0


def nobody(processes: int) -> bytes:
    """The memory's first content: none of the processes is there."""
    return ABSENT.to_bytes(SLOT_BYTES, sys.byteorder) * processes
