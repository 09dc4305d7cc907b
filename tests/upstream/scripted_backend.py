"""A backend on 127.0.0.1 that does what a test's script says on each connection, and records what it was sent."""

import asyncio
import contextlib
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


@dataclass
class Received:
    """One request as it came: its head without the empty line, its body without the transfer coding."""

    head: bytes
    body: bytes = b""

    @property
    def start_line(self) -> bytes:
        return self.head.split(b"\r\n")[0]

    def value(self, name: bytes) -> bytes | None:
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b": ")
            if key == name:
                return value
        return None


@dataclass
class Peer:
    """One connection, from the backend's side. `number` counts the connections from 0."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    backend: "Backend"

    async def head(self) -> Received:
        """The head of the next request; ends the script if the other side closes instead."""
        received = Received((await self.reader.readuntil(b"\r\n\r\n"))[:-4])
        self.backend.received.append(received)
        return received

    async def request(self) -> Received:
        """The next request with its body."""
        received = await self.head()
        length = received.value(b"content-length")
        if length is not None:
            received.body = await self.reader.readexactly(int(length))
        elif received.value(b"transfer-encoding") is not None:
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                received.body += await self.reader.readexactly(size)
                assert await self.reader.readexactly(2) == b"\r\n"
            assert await self.reader.readexactly(2) == b"\r\n"
        return received

    async def send(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()

    async def ended(self) -> bool:
        """Wait until the other side closes. Whether it said nothing before."""
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True

    def leave(self) -> None:
        """Shut the socket at once, without a turn of the loop."""
        with socket.socket(fileno=os.dup(self.writer.get_extra_info("socket").fileno())) as sock:
            sock.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script: TypeAlias = Callable[[Peer], Awaitable[None]]


@dataclass
class Backend:
    """What a test sees of it. `fault` is what a script raised that was not the other side's going away."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    fault: BaseException | None = None

    @property
    def connections(self) -> int:
        return len(self.peers)

    @property
    def start_lines(self) -> list[bytes]:
        return [received.start_line for received in self.received]


@contextlib.asynccontextmanager
async def scripted(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Backend]:
    """Run the script on each connection until the block ends; then close all, and raise what a script raised."""
    backend = Backend()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(backend.connections, reader, writer, backend)
        backend.peers.append(peer)
        task = asyncio.current_task()
        assert task is not None
        backend.tasks.add(task)
        try:
            await script(peer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        except AssertionError as fault:
            backend.fault = fault
        finally:
            backend.tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    backend.port = server.sockets[0].getsockname()[1]
    try:
        yield backend
    finally:
        server.close()
        for task in list(backend.tasks):
            task.cancel()
        while backend.tasks:  # noqa: ASYNC110  # they leave one by one
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.005)
    if backend.fault is not None:
        raise backend.fault


def answering(*answers: bytes) -> Script:
    """Answer each request of a connection with the next of these bytes, the last one again and again."""

    async def script(peer: Peer) -> None:
        count = 0
        while True:
            await peer.request()
            await peer.send(answers[min(count, len(answers) - 1)])
            count += 1

    return script


def closing_after(answer: bytes) -> Script:
    """Answer one request, then close."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)

    return script
