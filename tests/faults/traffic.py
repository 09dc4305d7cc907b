"""Clients that sign, in a process of their own: each sends one order after another to the nodes, never the same mark
twice, and, as it is told, the very bytes of an order again: to all nodes at once, or later to another one. Clients can
also go away before they are answered.

What became of each sending is kept and told at the end.
"""

import asyncio
import random
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import uvloop

from tests.soak.client import Caller
from tests.system.key_holder import Key, signed

HOST = b"faults.test"
_ROOT = Path(__file__).resolve().parent.parent.parent
_CAPTURED_MAX = 2000
_NOBODY_THERE_S = 0.02
_STOP_S = 60.0
NO_ANSWER, ANOTHERS = 0, -1
ABORTED = "aborted"


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What a process of clients does. `copied` and `replayed` are shares of the orders, `aborted` of the sendings.

    `most` is how many orders there are in all, `pause_ms` how long a client rests between two, `abort_ms` within what
    time it goes away if it does.
    """

    name: str
    ports: tuple[int, ...]
    keys: tuple[tuple[str, str], ...]
    clients: int
    verb: str = "POST"
    path: str = "/v1/orders/"
    copied: float = 0.0
    replayed: float = 0.0
    aborted: float = 0.0
    abort_ms: float = 0.0
    most: int | None = None
    pause_ms: float = 0.0
    patience_s: float = 5.0
    seed: int = 0


class Sending(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One sending of an order and what was answered: status NO_ANSWER if nothing was, ANOTHERS if that is what it got.

    Times are monotonic.
    """

    mark: str
    node: int
    begun_ns: int
    ended_ns: int
    status: int
    reason: str
    sent: str

    @property
    def took_ms(self) -> float:
        return (self.ended_ns - self.begun_ns) / 1e6


class Traffic:
    """Processes of clients that are ready to begin."""

    def __init__(self, processes: Sequence["subprocess.Popen[bytes]"]) -> None:
        self._processes = processes

    def go(self) -> None:
        """Begin sending."""
        for process in self._processes:
            _tell(process, b"go\n")

    def stop(self) -> list[Sending]:
        """Send no more, await what is under way; all that was sent, by the time it began."""
        for process in self._processes:
            _tell(process, b"stop\n")
        return self.finish()

    def finish(self) -> list[Sending]:
        """Wait until all orders were sent; all that was sent, by the time it began."""
        sendings: list[Sending] = []
        for process in self._processes:
            assert process.stdout is not None
            sendings += msgspec.msgpack.decode(process.stdout.read(), type=list[Sending])
            process.wait(_STOP_S)
        return sorted(sendings, key=lambda sending: sending.begun_ns)


@contextmanager
def traffic(*orders: Orders) -> Iterator[Traffic]:
    """A process for each of the orders, for the time of the block."""
    command = (sys.executable, "-m", "tests.faults.traffic")
    with ExitStack() as stack:
        processes = []
        for each in orders:
            process = subprocess.Popen(  # noqa: S603  # our own program
                command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            stack.push(process)
            stack.callback(process.kill)
            _tell(process, msgspec.json.encode(each) + b"\n")
            processes.append(process)
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        yield Traffic(processes)


def _tell(process: "subprocess.Popen[bytes]", line: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()


class _Clients:
    """All clients of one process."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._draw = random.Random(f"{orders.seed} {orders.name}")  # noqa: S311  # a seed: a failure can be repeated
        self._keys = [Key(id=key_id, secret=secret.encode()) for key_id, secret in orders.keys]
        self._number = 0
        self._captured: deque[tuple[str, bytes]] = deque(maxlen=_CAPTURED_MAX)
        self.stopped = False
        self.sendings: list[Sending] = []

    async def run(self) -> None:
        """Until stopped, or until all orders were sent."""
        await asyncio.gather(*(self._client() for _ in range(self._orders.clients)))

    async def _client(self) -> None:
        orders, callers = self._orders, _Callers(self._orders.ports)
        try:
            while not self.stopped and (orders.most is None or self._number < orders.most):
                mark, content = self._next()
                if self._draw.random() < orders.copied:
                    await asyncio.gather(
                        *(self._send(callers, node, mark, content) for node in range(len(orders.ports)))
                    )
                else:
                    await self._send(callers, self._any_node(), mark, content)
                self._captured.append((mark, content))
                if self._draw.random() < orders.replayed:
                    await self._send(callers, self._any_node(), *self._draw.choice(self._captured))
                if orders.pause_ms:
                    await asyncio.sleep(orders.pause_ms / 1000)
        finally:
            callers.close()

    def _next(self) -> tuple[str, bytes]:
        self._number += 1
        mark = f"{self._orders.name}-{self._number}"
        key = self._keys[self._number % len(self._keys)]
        return mark, signed(key, self._orders.verb, self._orders.path + mark, host=HOST)

    def _any_node(self) -> int:
        return self._draw.randrange(len(self._orders.ports))

    async def _send(self, callers: "_Callers", node: int, mark: str, content: bytes) -> None:
        aborts = self._draw.random() < self._orders.aborted
        patience_s = self._draw.uniform(0, self._orders.abort_ms / 1000) if aborts else self._orders.patience_s
        begun_ns = time.monotonic_ns()
        try:
            async with asyncio.timeout(patience_s):
                caller = await callers.to(node)
                answer = await caller.ask(content)
        except (OSError, TimeoutError) as failed:
            callers.drop(node)
            self._told(mark, node, begun_ns, (NO_ANSWER, ABORTED if aborts else type(failed).__name__, ""))
            if not aborts:
                await asyncio.sleep(_NOBODY_THERE_S)
            return
        if answer.closes:
            callers.drop(node)
        status = ANOTHERS if answer.status == 200 and answer.body != mark.encode() else answer.status
        self._told(mark, node, begun_ns, (status, answer.reason.decode(), answer.sent.decode()))

    def _told(self, mark: str, node: int, begun_ns: int, answered: tuple[int, str, str]) -> None:
        self.sendings.append(Sending(mark, node, begun_ns, time.monotonic_ns(), *answered))


class _Callers:
    """One client's connections, one to each node, made when they are needed."""

    def __init__(self, ports: tuple[int, ...]) -> None:
        self._ports = ports
        self._made: dict[int, Caller] = {}

    async def to(self, node: int) -> Caller:
        caller = self._made.get(node)
        if caller is None or caller.gone:
            caller = self._made[node] = await Caller.connect(self._ports[node])
        return caller

    def drop(self, node: int) -> None:
        caller = self._made.pop(node, None)
        if caller is not None:
            caller.close()

    def close(self) -> None:
        for node in list(self._made):
            self.drop(node)


async def _serve() -> None:
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    clients = _Clients(msgspec.json.decode(await reader.readline(), type=Orders))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if await reader.readline() == b"go\n":
        sending = asyncio.create_task(clients.run())
        stopping = asyncio.create_task(reader.readline())
        await asyncio.wait((sending, stopping), return_when=asyncio.FIRST_COMPLETED)
        clients.stopped = True
        await sending
        stopping.cancel()
    sys.stdout.buffer.write(msgspec.msgpack.encode(clients.sendings))
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_serve())
