"""A process seen from outside (proc(5)): its memory, its sockets, its processor time."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

MIB = 1 << 20
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


class Watched:
    """One process, and the most memory that it held while `watching` ran."""

    def __init__(self, pid: int) -> None:
        self._proc = Path(f"/proc/{pid}")
        self.peak_bytes = 0

    @property
    def resident_bytes(self) -> int:
        return int((self._proc / "statm").read_text().split()[1]) * _PAGE_BYTES

    @property
    def held_bytes_max(self) -> int:
        """The most that it ever held."""
        [line] = [line for line in (self._proc / "status").read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    @property
    def descriptors(self) -> int:
        """Open files and sockets."""
        return len(os.listdir(self._proc / "fd"))  # noqa: PTH208  # a Path each would cost more than the listing

    @property
    def cpu_s(self) -> float:
        """User and system time."""
        user, system = (self._proc / "stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / _TICKS

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look ten times a second, for the time of the block."""
        self.peak_bytes = self.resident_bytes
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
            self.peak_bytes = max(self.peak_bytes, self.resident_bytes)

    async def settled_descriptors(self, count: int, within_s: float) -> int:
        """The number of descriptors once it is down to `count`, or after the time."""
        end = asyncio.get_running_loop().time() + within_s
        while (now := self.descriptors) > count and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110  # /proc
            await asyncio.sleep(0.1)
        return now

    async def _look(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, self.resident_bytes)
            await asyncio.sleep(0.1)
