"""A body on its way from a connection to one reader, with at most a high-water mark and one segment between them.

The connection pushes and stops reading when told to; the reader iterates and asks it to go on. No socket is known here.
"""

import asyncio
from collections.abc import Callable

HELD_BYTES_MAX = 256 * 1024


class BodyStream:
    """An async iterator of bytes, for one reader, once. Ends only if the body is whole; else it raises the failure."""

    __slots__ = ("_abandon", "_chunks", "_ended", "_failure", "_held_bytes", "_resume", "_waiter")

    def __init__(self, *, resume: Callable[[], None], abandon: Callable[[], None]) -> None:
        self._resume = resume
        self._abandon = abandon
        self._chunks: list[bytes] = []
        self._held_bytes = 0
        self._ended = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def push(self, content: bytes) -> bool:
        """Take content in. False asks the connection to read no more until it is resumed."""
        if content:
            self._chunks.append(content)
            self._held_bytes += len(content)
            self._wake()
        return self._held_bytes <= HELD_BYTES_MAX

    def end(self) -> None:
        """The body is whole."""
        self._ended = True
        self._wake()

    def fail(self, failure: Exception) -> None:
        """The rest will never come. The reader is told at once, before what was still held."""
        self._failure = failure
        self.end()

    def abandon(self) -> None:
        """Nobody reads on. Closes the connection unless the body has already ended."""
        self._chunks.clear()
        if not self._ended:
            self._abandon()

    def __aiter__(self) -> "BodyStream":
        return self

    async def __anext__(self) -> bytes:
        while True:
            if self._failure is not None:
                raise self._failure
            if self._chunks:
                return self._take()
            if self._ended:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def _take(self) -> bytes:
        """Everything held, in one piece: many small chunks become one write."""
        chunks = self._chunks
        content = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        full = self._held_bytes > HELD_BYTES_MAX
        self._held_bytes = 0
        if full and not self._ended:
            self._resume()
        return content

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
