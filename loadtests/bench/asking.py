"""A small HTTP client for loads, where wrk is not installed: each connection asks, waits for the answer, asks again.

Not a general client: it knows answers with a Content-Length, which is all that is sent here.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import uvloop

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_CLOSE = b"connection: close"
_PATIENCE_S = 5.0


class Asked(NamedTuple):
    """The latency of each answer, and how many were neither 2xx nor 3xx."""

    latencies_ms: list[float]
    refused: int
    seconds: float


def ask(port: int, requests: Sequence[bytes], seconds: float, connections: int) -> Asked:
    """Send requests to 127.0.0.1 for so many seconds, or until there are no more. None is sent twice.

    Raises OSError if a connection is refused or breaks, TimeoutError if an answer takes over five seconds.
    """
    return uvloop.run(_ask(port, iter(requests), seconds, connections))


async def _ask(port: int, requests: Iterator[bytes], seconds: float, connections: int) -> Asked:
    latencies: list[float] = []
    started = time.perf_counter()
    counts = await asyncio.gather(
        *(_connection(port, requests, started + seconds, latencies) for _ in range(connections))
    )
    return Asked(latencies, sum(counts), time.perf_counter() - started)


async def _connection(port: int, requests: Iterator[bytes], end: float, latencies: list[float]) -> int:
    """Ask until the end; how many were refused. A connection that the other side announces to close is made anew."""
    refused, streams = 0, await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        asked = time.perf_counter()
        if asked >= end:
            break
        streams[1].write(request)
        head = await asyncio.wait_for(_answer(streams[0]), _PATIENCE_S)
        latencies.append((time.perf_counter() - asked) * 1000)
        refused += head[9:10] not in (b"2", b"3")
        if _CLOSE in head:
            await _close(streams[1])
            streams = await asyncio.open_connection("127.0.0.1", port)
    await _close(streams[1])
    return refused


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """The head of one answer, in lower case; its body is read and dropped."""
    head = (await reader.readuntil(_HEAD_END)).lower()
    _, _, after = head.partition(_LENGTH)
    await reader.readexactly(int(after.split(b"\r\n", 1)[0] or 0))
    return head
