"""The backend of the fault runs, in a process of its own: it writes down every request that it executes, and when.

A request's mark is the last segment of its path, and the answer to it. It is fast enough for some 100,000s of requests
from many gateways; what it has written it tells at `/ledger`, and how much that is at `/count`.
"""

import asyncio
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import uvloop

_ROOT = Path(__file__).resolve().parent.parent.parent
_STOP_S = 10.0


class Executed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One request that was executed, and when: on the monotonic clock, which all processes of a machine share."""

    mark: str
    at_ns: int


class Ledger(msgspec.Struct, frozen=True):
    """What has been executed, in that order."""

    executed: tuple[Executed, ...]

    @property
    def times(self) -> Counter[str]:
        """How often each mark was executed."""
        return Counter(each.mark for each in self.executed)

    @property
    def more_than_once(self) -> list[str]:
        return [mark for mark, times in self.times.items() if times > 1]

    def between(self, begun_ns: int, ended_ns: int) -> int:
        """How many were executed in this time."""
        return sum(begun_ns <= each.at_ns < ended_ns for each in self.executed)


class LedgerBackend(msgspec.Struct, frozen=True):
    """A backend that is up."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ledger(self) -> Ledger:
        """Ask it directly."""
        return Ledger(msgspec.msgpack.decode(self._asked("ledger"), type=tuple[Executed, ...]))

    def count(self) -> int:
        """How many requests it has executed so far."""
        return int(self._asked("count"))

    def _asked(self, what: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{what}", timeout=30) as answer:
            told: bytes = answer.read()
        return told


@contextmanager
def ledger_backend() -> Iterator[LedgerBackend]:
    """Start it on a free port of 127.0.0.1, for the time of the block."""
    command = (sys.executable, "-m", "tests.faults.ledger")
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE) as process:  # noqa: S603  # our own program
        try:
            assert process.stdout is not None
            yield LedgerBackend(int(process.stdout.readline()))
        finally:
            process.terminate()
            process.wait(_STOP_S)


class _Peer(asyncio.Protocol):
    """One connection. Reads lengths only, as the runs send them."""

    def __init__(self, executed: list[Executed]) -> None:
        self._executed = executed
        self._held = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # what TCP gives
        self._transport = transport

    def data_received(self, content: bytes) -> None:
        self._held += content
        while self._step():
            pass

    def _step(self) -> bool:
        head, end, rest = self._held.partition(b"\r\n\r\n")
        if not end:
            return False
        length = int(head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0] or 0)
        if len(rest) < length:
            return False
        self._held = rest[length:]
        self._execute(head.split(b" ", 2)[1].partition(b"?")[0].rpartition(b"/")[2].decode())
        return True

    def _execute(self, mark: str) -> None:
        if mark == "ledger":
            self._answer(msgspec.msgpack.encode(self._executed))
        elif mark == "count":
            self._answer(b"%d" % len(self._executed))
        else:
            self._executed.append(Executed(mark, time.monotonic_ns()))
            self._answer(mark.encode())

    def _answer(self, content: bytes) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(content), content))


async def _serve() -> None:
    executed: list[Executed] = []
    server = await asyncio.get_running_loop().create_server(lambda: _Peer(executed), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
