"""One connection through the fault proxy: a lane for each direction, which holds bytes back, or ends it.

What is lost is never a hole in the middle: TCP loses nothing, so an answer that does not come is late, or the
connection's end.
"""

import asyncio
import socket
import struct
from collections import deque
from enum import StrEnum
from typing import NamedTuple, Protocol

from tests.faults.wires import Kind, Wire

_CHUNK_BYTES = 1 << 16
_PARTS_MAX = 1000
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class Towards(StrEnum):
    """A direction."""

    SERVER = "server"
    CLIENT = "client"


class Fate(StrEnum):
    """What becomes of an answer."""

    PASSES = "passes"
    CUT = "cut"
    HANGS = "hangs"


class Faults(Protocol):
    """What a link asks about each of its bytes."""

    def delay_s(self, towards: Towards) -> float:
        """How late something arrives that comes now."""
        ...

    async def flowing(self, towards: Towards, kind: Kind) -> None:
        """Wait for as long as this direction is paused."""
        ...

    async def healed(self) -> None:
        """Wait until no fault is wished any more."""
        ...

    def room(self, towards: Towards, count: int) -> int:
        """How many of so many bytes may pass before the connection is cut."""
        ...

    def fate_of(self, name: str) -> Fate:
        """What becomes of the answer to this command, which is about to be sent on."""
        ...

    def lost(self, name: str) -> None:
        """The server has answered this command, and its client will not hear of it."""
        ...


class _Part(NamedTuple):
    """Bytes on their way. None ends the stream."""

    due: float
    content: bytes | None
    hangs: bool = False


class Link:
    """A client's connection and the connection to the server that was made for it."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        wire: Wire,
        faults: Faults,
    ) -> None:
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._wire = wire
        self._faults = faults
        self._owed: deque[tuple[str, Fate]] = deque()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def kind(self) -> Kind:
        return self._wire.kind

    async def run(self) -> None:
        """Pass on what comes, until both sides have ended or the link is cut."""
        up: asyncio.Queue[_Part] = asyncio.Queue(_PARTS_MAX)
        down: asyncio.Queue[_Part] = asyncio.Queue(_PARTS_MAX)
        ways = (
            self._read_client(up),
            self._read_server(down),
            self._write(up, self._to_server, Towards.SERVER),
            self._write(down, self._to_client, Towards.CLIENT),
        )
        self._tasks = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.gather(*self._tasks)
        except OSError:
            self.cut()
        except asyncio.CancelledError:
            self.cut()
        finally:
            for writer in (self._to_client, self._to_server):
                writer.close()

    def cut(self, *, resets: bool = True) -> None:
        """End both connections at once: by RST, or by FIN. What was on its way is lost."""
        for writer in (self._to_client, self._to_server):
            if resets:
                reset(writer)
            else:
                writer.close()
        for task in self._tasks:
            task.cancel()

    async def _read_client(self, up: asyncio.Queue[_Part]) -> None:
        while content := await self._from_client.read(_CHUNK_BYTES):
            due = self._due(Towards.SERVER)
            for part in self._wire.asked(content):
                if part.name is not None:
                    self._owed.append((part.name, self._faults.fate_of(part.name)))
                await up.put(_Part(due, part.content))
        await up.put(_Part(0, None))

    async def _read_server(self, down: asyncio.Queue[_Part]) -> None:
        while content := await self._from_server.read(_CHUNK_BYTES):
            due = self._due(Towards.CLIENT)
            for part in self._wire.answered(content):
                name, fate = self._owed[0] if self._owed else ("", Fate.PASSES)
                if part.ends and self._owed:
                    self._owed.popleft()
                    if fate is not Fate.PASSES:
                        self._faults.lost(name)
                if fate is Fate.CUT:
                    if part.ends:
                        self.cut()
                    continue
                await down.put(_Part(due, part.content, hangs=fate is Fate.HANGS))
        await down.put(_Part(0, None))

    async def _write(self, lane: asyncio.Queue[_Part], writer: asyncio.StreamWriter, towards: Towards) -> None:
        loop = asyncio.get_running_loop()
        while True:
            part = await lane.get()
            if (early_s := part.due - loop.time()) > 0:
                await asyncio.sleep(early_s)
            if part.hangs:
                await self._faults.healed()
            await self._faults.flowing(towards, self._wire.kind)
            if part.content is None:
                if writer.can_write_eof():
                    writer.write_eof()
                return
            room = self._faults.room(towards, len(part.content))
            writer.write(part.content[:room])
            await writer.drain()
            if room < len(part.content):
                self.cut()
                return

    def _due(self, towards: Towards) -> float:
        return asyncio.get_running_loop().time() + self._faults.delay_s(towards)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST: close(2) sends one if it may not linger."""
    made: socket.socket | None = writer.get_extra_info("socket")
    if made is not None and made.fileno() >= 0:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    writer.transport.abort()
