"""A cheap backend in a process of its own, which tells every request its own mark: target and body, echoed.

Started by `echoing_backend`; keeps counts, not bytes. `/slow/` answers after some milliseconds, `/large/` with 4 MiB,
`GET /report` with what it has seen. With `--close-idle` it closes connections that have rested for some milliseconds.
"""

import argparse
import asyncio
import random
import select
import socket
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

LARGE_BYTES = 4 << 20
SLOW_MS_MAX = 20
IDLE_MS = (1, 50)
_PIECE = b"x" * (64 * 1024)
_START_S = 10.0
_ROOT = Path(__file__).resolve().parent.parent.parent


class Report(msgspec.Struct, frozen=True):
    """What a backend has seen since its start. `marks` are the bodies of all POSTs, each with how often it came."""

    connections: int
    closed_idle: int
    whole: int
    broken: int
    body_bytes: int
    marks: dict[str, int]

    @property
    def twice(self) -> int:
        """How many marks came more than once."""
        return sum(times > 1 for times in self.marks.values())


class EchoingBackend(msgspec.Struct, frozen=True):
    """A backend that is up."""

    port: int
    pid: int

    def report(self) -> Report:
        """Ask it directly."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/report", timeout=30) as answer:
            return msgspec.json.decode(answer.read(), type=Report)


@contextmanager
def echoing_backend(*flags: str) -> Iterator[EchoingBackend]:
    """Start it on a free port of 127.0.0.1, for the time of the block."""
    command = [sys.executable, "-m", "tests.soak.backend", *flags]
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE)  # noqa: S603  # our own program
    try:
        assert process.stdout is not None
        yield EchoingBackend(int(process.stdout.readline()), process.pid)
    finally:
        process.terminate()
        process.wait(_START_S)
        if process.stdout is not None:
            process.stdout.close()


class _Seen:
    """The counts behind a Report."""

    def __init__(self, *, close_idle: bool) -> None:
        self.close_idle = close_idle
        self.draw = random.Random(7)  # noqa: S311  # a seed, so that a failure can be repeated
        self.connections = self.closed_idle = self.whole = self.broken = self.body_bytes = 0
        self.marks: Counter[str] = Counter()

    def report(self) -> bytes:
        told = Report(self.connections, self.closed_idle, self.whole, self.broken, self.body_bytes, self.marks)
        return msgspec.json.encode(told)


class _Peer(asyncio.Protocol):
    """One connection. Reads lengths and chunks as only guard writes them, and trips over anything else."""

    def __init__(self, seen: _Seen) -> None:
        self._seen = seen
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._held = b""
        self._target = b""
        self._verb = b""
        self._left: int | None = None  # of the body, or of the chunk; None between two requests
        self._chunked = False
        self._body: list[bytes] = []
        self._idle: asyncio.TimerHandle | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._sending: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # what TCP gives
        self._transport = transport
        self._seen.connections += 1

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  # whatever the reason, it is gone
        if self._left is not None:
            self._seen.broken += 1
        if self._idle is not None:
            self._idle.cancel()
        if self._sending is not None:
            self._sending.cancel()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def data_received(self, content: bytes) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        self._held += content
        while self._step():
            pass

    def _step(self) -> bool:
        if self._left is None:
            return self._head()
        part, self._held = self._held[: self._left], self._held[self._left :]
        self._left -= len(part)
        self._seen.body_bytes += len(part)
        if self._verb == b"POST":
            self._body.append(part)
        if self._left:
            return False
        return self._chunk() if self._chunked else self._whole()

    def _head(self) -> bool:
        head, end, rest = self._held.partition(b"\r\n\r\n")
        if not end:
            return False
        self._held = rest
        self._verb, self._target, _ = head.split(b"\r\n", 1)[0].split(b" ")
        fields = head.lower()
        self._chunked = b"\r\ntransfer-encoding: chunked" in fields
        length = fields.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
        self._left = int(length) if length else 0
        self._body.clear()
        return self._chunk() if self._chunked else self._left > 0 or self._whole()

    def _chunk(self) -> bool:
        """The line of the next chunk. The CR LF behind the last one stands before it."""
        size, end, rest = self._held.removeprefix(b"\r\n").partition(b"\r\n")
        if not end:
            return False
        self._left, self._held = int(size, 16), rest
        if self._left:
            return True
        self._held = self._held.removeprefix(b"\r\n")
        return self._whole()

    def _whole(self) -> bool:
        seen, target = self._seen, self._target
        self._left = None
        body = b"".join(self._body)
        if target == b"/report":
            self._answer(seen.report())
            return True
        seen.whole += 1
        if self._verb == b"POST":
            seen.marks[body.decode()] += 1
        if target.startswith(b"/open/slow/"):
            self._loop.call_later(seen.draw.random() * SLOW_MS_MAX / 1000, self._answer, target)
        elif target.startswith(b"/open/large/"):
            self._sending = self._loop.create_task(self._send_large())
        else:
            self._answer(target + body)
        return True

    def _answer(self, content: bytes) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(content), content))
        if self._seen.close_idle:
            self._idle = self._loop.call_later(self._seen.draw.uniform(*IDLE_MS) / 1000, self._close_idle)

    def _close_idle(self) -> None:
        """As a backend in C would: it looks once more, since the turns of this loop are a thousand times as long."""
        sock = self._transport.get_extra_info("socket")
        if not select.select((sock,), (), (), 0)[0]:
            sock.shutdown(socket.SHUT_RDWR)
            self._seen.closed_idle += 1
            self._transport.close()

    async def _send_large(self) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % LARGE_BYTES)
        for _ in range(LARGE_BYTES // len(_PIECE)):
            await self._room.wait()
            self._transport.write(_PIECE)


async def _serve(*, close_idle: bool) -> None:
    seen = _Seen(close_idle=close_idle)
    server = await asyncio.get_running_loop().create_server(lambda: _Peer(seen), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--close-idle", action="store_true", help="close resting connections at random")
    asyncio.run(_serve(close_idle=parser.parse_args().close_idle))


if __name__ == "__main__":
    main()
