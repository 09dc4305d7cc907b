"""A backend in a thread of its own that keeps every request as the bytes that arrived, also those that never ended.

It answers 200 with JSON, or does what the script of a path says. Forgives nothing: what it cannot read is recorded as
`unreadable`, which no test expects.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass
class Received:
    """One request as it came: its head without the empty line, its body without the transfer coding."""

    head: bytes
    body: bytes = b""
    complete: bool = False

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode("latin-1")

    @property
    def target(self) -> bytes:
        return self.head.split(b"\r\n", 1)[0].split(b" ")[1]

    @property
    def path(self) -> str:
        return self.target.partition(b"?")[0].decode("latin-1")

    @property
    def lines(self) -> list[bytes]:
        return self.head.split(b"\r\n")[1:]

    def values(self, name: bytes) -> list[bytes]:
        """Every value of a field, in the order received."""
        pairs = [line.split(b": ", 1) for line in self.lines]
        return [value for key, value in pairs if key.lower() == name.lower()]

    def names(self) -> set[bytes]:
        return {line.split(b":", 1)[0].lower() for line in self.lines}


@dataclass
class Peer:
    """One connection, from the backend's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()


Script: TypeAlias = Callable[[Peer, Received], Awaitable[bool]]
"""Answers one request that has come whole. Returns whether the connection goes on."""


@dataclass
class RecordingBackend:
    """What a test sees of it. `scripts` go by path; `early` ones run before the body is read."""

    port: int = 0
    record: list[Received] = field(default_factory=list)
    scripts: dict[str, Script] = field(default_factory=dict)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def since(self, mark: int) -> list[Received]:
        """What has come since the record had `mark` entries."""
        return self.record[mark:]

    @contextmanager
    def script(self, path: str, script: Script) -> Iterator[None]:
        """Answer requests to a path in this way, for the time of the block."""
        self.scripts[path] = script
        try:
            yield
        finally:
            del self.scripts[path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        peer = Peer(reader, writer)
        try:
            while await self._exchange(peer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, peer: Peer) -> bool:
        try:
            head = await peer.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as ended:
            if ended.partial:
                self.record.append(Received(b"unreadable " + ended.partial))
            return False
        received = Received(head[:-4])
        self.record.append(received)
        await _read_body(peer.reader, received)
        received.complete = True
        return await self.scripts.get(received.path, _answer)(peer, received)


@contextmanager
def recording_backend() -> Iterator[RecordingBackend]:
    """A backend on a free port of 127.0.0.1, for the time of the block."""
    backend = RecordingBackend()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="recording backend")
    thread.start()
    try:
        listening = asyncio.start_server(backend.serve, "127.0.0.1", 0, limit=1 << 20, backlog=512)
        server = asyncio.run_coroutine_threadsafe(listening, loop).result(5)
        backend.port = server.sockets[0].getsockname()[1]
        yield backend
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result(5)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def answer(body: bytes, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole response with a length."""
    lines = (b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *fields, b"", b"")
    return b"\r\n".join(lines) + body


def answering(*responses: bytes, goes_on: bool = True) -> Script:
    """These bytes for each request."""

    async def script(peer: Peer, _: Received) -> bool:
        for response in responses:
            await peer.send(response)
        return goes_on

    return script


def after(seconds: float, script: Script | None = None) -> Script:
    """What the script does (or the default answer), but not at once."""

    async def slow(peer: Peer, received: Received) -> bool:
        await asyncio.sleep(seconds)
        return await (script or _answer)(peer, received)

    return slow


async def _answer(peer: Peer, received: Received) -> bool:
    told = {"method": received.method, "target": received.target.decode("latin-1"), "bytes": len(received.body)}
    response = answer(json.dumps(told).encode(), b"content-type: application/json")
    await peer.send(response.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if received.method == "HEAD" else response)
    return True


async def _read_body(reader: asyncio.StreamReader, received: Received) -> None:
    lengths, codings = received.values(b"content-length"), received.values(b"transfer-encoding")
    assert len(lengths) + len(codings) <= 1, "a request whose end two readers see in two places"
    if lengths:
        left = int(lengths[0])
        while left:
            chunk = await reader.read(min(left, 1 << 16))
            if not chunk:
                raise asyncio.IncompleteReadError(received.body, left)
            received.body += chunk
            left -= len(chunk)
    elif codings:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            received.body += await reader.readexactly(size)
            assert await reader.readexactly(2) == b"\r\n"
        assert await reader.readexactly(2) == b"\r\n", "a trailer came through"


async def _stop(server: asyncio.Server) -> None:
    server.close()
    current = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not current]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
