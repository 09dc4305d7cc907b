"""Several processes on one port: all of them serve, and one that stops loses nothing."""

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.server.in_memory import until

pytestmark = pytest.mark.system

_CLIENTS = 12
_WORKER = """
import asyncio, os, signal, sys
import uvloop
from guard.server.listener import Listener

async def app(scope, receive, send):
    await asyncio.sleep(0.002)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%06d" % (os.getpid() % 1000000)})

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    listener = Listener(app, "127.0.0.1:" + sys.argv[1], share_port=True)
    await listener.start()
    print(listener.port, flush=True)
    await stop.wait()
    await listener.stop()

uvloop.run(main())
"""


@contextmanager
def _worker(port: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    process = subprocess.Popen([sys.executable, "-c", _WORKER, str(port)], stdout=subprocess.PIPE)  # noqa: S603
    assert process.stdout is not None
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


class _Traffic:
    """Clients without a pause; half of them open a connection for each request."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._over = False
        self.served: Counter[bytes] = Counter()
        self.failures: list[str] = []

    async def run(self, count: int) -> None:
        await asyncio.gather(*(self._client(keep=number % 2 == 0) for number in range(count)))

    def end(self) -> None:
        self._over = True

    async def _client(self, *, keep: bool) -> None:
        connection = None
        while not self._over:
            try:
                connection = connection or await asyncio.open_connection("127.0.0.1", self._port)
                ends = await self._ask(*connection, close=not keep)
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failures.append(repr(error))
                return
            if ends:
                connection[1].close()
                connection = None
        if connection is not None:
            connection[1].close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, close: bool) -> bool:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % (b"Connection: close\r\n" if close else b""))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        self.served[await asyncio.wait_for(reader.readexactly(6), 10)] += 1
        return b"connection: close" in head


def _mark(process: subprocess.Popen[Any]) -> bytes:
    return b"%06d" % (process.pid % 1_000_000)


async def test_two_processes_serve_one_port_and_stopping_one_loses_nothing() -> None:
    with _worker(0) as (first, port), _worker(port) as (second, _):
        traffic = _Traffic(port)
        running = asyncio.create_task(traffic.run(_CLIENTS))
        async with asyncio.timeout(20):
            await until(lambda: min(traffic.served[_mark(first)], traffic.served[_mark(second)]) >= 50)
            first.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(first.wait, 15) == 0
            before = traffic.served[_mark(second)]
            await until(lambda: traffic.served[_mark(second)] >= before + 50)
            traffic.end()
            await running
        assert traffic.failures == []
