"""A body that is sent while it comes in, to a backend that may answer before it has seen all of it.

Nothing is held but what the connection's own buffer takes. An early answer (RFC 9112 §9.5) ends the sending; the
connection then carries no further exchange, because the request on it was never finished.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from guard.model.exchange import Sent
from guard.upstream.answer import Answer, UpstreamFailure
from guard.upstream.connection import Connection


async def upload(
    connection: Connection,
    asked: asyncio.Future[Answer],
    body: AsyncIterator[bytes],
    content_bytes: int | None,
    respond_by_ms: Callable[[], int],
) -> Answer:
    """Send the body and await the answer. What the body raises is raised here; the caller then withdraws the request.

    `content_bytes` is the length announced; None sends chunks. A body of another length is `request.incomplete`.
    """
    pump = asyncio.create_task(_pump(connection, body, content_bytes, respond_by_ms))
    try:
        await asyncio.wait((pump, asked), return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            pump.result()
        return await asked
    finally:
        pump.cancel()
        await asyncio.wait((pump,))
        if not pump.cancelled():
            pump.exception()  # seen: an answer that came all the same counts for more


async def _pump(
    connection: Connection, body: AsyncIterator[bytes], content_bytes: int | None, respond_by_ms: Callable[[], int]
) -> None:
    sent_bytes = 0
    async for content in body:
        sent_bytes += len(content)
        if content_bytes is None:
            if content:
                await connection.send(b"%x\r\n%b\r\n" % (len(content), content))
            continue
        if sent_bytes > content_bytes:
            break
        await connection.send(content)
        if sent_bytes == content_bytes:
            break
    if content_bytes is None:
        await connection.send(b"0\r\n\r\n")
    elif sent_bytes != content_bytes:
        raise UpstreamFailure("request.incomplete", Sent.UNKNOWN, "the body is not as long as was announced")
    connection.sent_all(respond_by_ms())
