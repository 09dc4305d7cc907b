"""The one socket between the supervisor and a worker, and all that is ever said on it.

A frame is the length of its content in 4 bytes, big-endian, and the content: one message in MessagePack, whose first
element names its kind. Down: first a Task, then news. Up: a Report each second and at each change of readiness, or one
Refusal. Whoever has ended or was killed closes the socket; that is how each side learns of the other's end. Both sides
are the same version of this program, so what cannot be read is a broken link, and a broken link is the end of it.
"""

import asyncio
import socket
from typing import Final, Generic, TypeAlias, TypeVar

import msgspec

from guard.telemetry.tally import Tally

_LENGTH_BYTES: Final = 4
CONTENT_BYTES_MAX: Final = 16 * 1024 * 1024
_CLOSE_S: Final = 1


class Task(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Down, first: what to serve, in words that the worker's target knows, and in which place of the spread.

    The descriptors were inherited: of the listening socket, and of the spread's memory.
    """

    content: bytes
    place: int
    listening: int
    memory: int


class Drain(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Down, last: accept no more, finish what is in flight, and end."""


class KeysChanged(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Down: the key database is at this revision, as far as the supervisor knows."""

    revision: int


class PolicyChanged(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Down: these contents of policy files, by path, are in force from now on. They were found to be in order."""

    files: dict[str, bytes]


class Report(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Up: what the worker waits for before it should get traffic, what it has counted since it began, what an
    operator must know though it serves, and the digest of the policies that it runs.
    """

    waiting_for: tuple[str, ...]
    tally: Tally
    degraded: tuple[str, ...] = ()
    policy: str = ""


class Refusal(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Up, instead of a first report: why there is nothing that could be served."""

    why: str


News: TypeAlias = KeysChanged | PolicyChanged
Down: TypeAlias = Task | Drain | KeysChanged | PolicyChanged
Up: TypeAlias = Report | Refusal

DOWN: Final[msgspec.msgpack.Decoder[Down]] = msgspec.msgpack.Decoder(Down)
UP: Final[msgspec.msgpack.Decoder[Up]] = msgspec.msgpack.Decoder(Up)

_Heard = TypeVar("_Heard")


class Link(Generic[_Heard]):
    """One end. `decoder` reads what the other end may say."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, decoder: msgspec.msgpack.Decoder[_Heard]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = decoder

    @classmethod
    async def of(cls, end: socket.socket, decoder: msgspec.msgpack.Decoder[_Heard]) -> "Link[_Heard]":
        """The link over a connected socket, which it closes."""
        reader, writer = await asyncio.open_connection(sock=end)
        return cls(reader, writer, decoder)

    @property
    def clear(self) -> bool:
        """Whether the other end has taken all that was said so far."""
        return self._writer.transport.get_write_buffer_size() == 0

    def say(self, message: Down | Up) -> None:
        """Send one message; not at all if the other end has gone."""
        content = msgspec.msgpack.encode(message)
        self._writer.write(len(content).to_bytes(_LENGTH_BYTES, "big") + content)

    async def hear(self) -> _Heard | None:
        """The next message. None if there are no more: the other end has closed, was killed, or speaks nonsense."""
        try:
            length = int.from_bytes(await self._reader.readexactly(_LENGTH_BYTES), "big")
            if length > CONTENT_BYTES_MAX:
                return None
            return self._decoder.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError, msgspec.MsgspecError):
            return None

    async def close(self) -> None:
        """Send what was said, if the other end still reads, and close."""
        self._writer.close()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._writer.wait_closed()
        except TimeoutError:
            self._writer.transport.abort()
        except OSError:
            return
