"""Clients of a listener, over real sockets, and a listener that remembers what it refused."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from guard.server.limits import Limits
from guard.server.listener import Listener
from guard.server.refusal import Refused

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
QUICK = Limits(
    handshake_ms=150,
    head_ms=150,
    body_progress_ms=150,
    idle_ms=150,
    write_stall_ms=150,
    linger_ms=100,
    drain_idle_ms=50,
)


@asynccontextmanager
async def listening(
    app: Any, limits: Limits | None = None, listen: str = "127.0.0.1:0", **others: Any
) -> AsyncIterator[tuple[Listener, list[Refused]]]:
    refused: list[Refused] = []
    given = {"grace_s": 5, **others}
    listener = Listener(app, listen, limits=limits or Limits(drain_idle_ms=50), refused=refused.append, **given)
    await listener.start()
    try:
        yield listener, refused
    finally:
        await listener.stop()
        assert listener.connections == 0


async def opened(
    port: int, context: ssl.SSLContext | None = None, *, before: bytes = b""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection; `before` is sent ahead of the TLS handshake."""
    raw = socket.create_connection(("127.0.0.1", port))
    raw.sendall(before)
    host = None if context is None else "127.0.0.1"
    return await asyncio.open_connection(sock=raw, ssl=context, server_hostname=host)


async def everything(port: int, content: bytes, context: ssl.SSLContext | None = None, *, before: bytes = b"") -> bytes:
    """All that is answered until the connection ends, however it ends."""
    reader, writer = await opened(port, context, before=before)
    answer = bytearray()
    try:
        writer.write(content)
        while part := await asyncio.wait_for(reader.read(65536), 5):
            answer += part
    except OSError:
        pass
    finally:
        writer.close()
    return bytes(answer)
