"""Reading a client's body from ASGI, within bounds: how large, how long, and how much unverified memory it may hold.

Nothing here is called before the line has said that the body may be read, so that an ASGI server sends no 100 Continue
to a client whose head was refused (RFC 9110 §10.1.1).
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from guard.core.stages import Signed
from guard.model.facts import Body, BodyBroken, BodyRead
from guard.model.names import Address

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientBroke(Exception):  # noqa: N818  # an event of the wire, not an error of ours
    """A streamed body could not be had. `code` is a row of the reasons table."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class UnverifiedBudget:
    """How many unverified body bytes this process holds, in all and for each address. Full means refuse, never wait."""

    def __init__(self, bytes_max: int, bytes_per_address_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes_per_address_max = bytes_per_address_max
        self._held = 0
        self._held_by: Counter[Address] = Counter()

    def take(self, address: Address, count: int) -> bool:
        """Hold `count` more bytes for an address, if there is room."""
        if self._held + count > self._bytes_max or self._held_by[address] + count > self._bytes_per_address_max:
            return False
        self._held += count
        self._held_by[address] += count
        return True

    def release(self, address: Address, count: int) -> None:
        """Let go of bytes that were taken."""
        self._held -= count
        self._held_by[address] -= count
        if self._held_by[address] <= 0:
            del self._held_by[address]


class BodyReader:
    """Reads one message's body, once. `ms_max` is how long a client may take for it."""

    def __init__(self, receive: Receive, budget: UnverifiedBudget, ms_max: int) -> None:
        self._receive = receive
        self._budget = budget
        self.ms_max = ms_max
        self.bytes_read = 0
        self.finished = False

    async def read(self, signed: Signed) -> Body:
        """The whole body, or why there is none. Bytes that are still to be proved count against the budget."""
        try:
            async with asyncio.timeout(self.ms_max / 1000):
                return await self._collect(signed)
        except TimeoutError:
            return BodyBroken("request.timeout")

    async def stream(self, bytes_max: int) -> AsyncIterator[bytes]:
        """The body of an open route as it comes. Raises ClientBroke where it cannot be had."""
        more = True
        while more:
            chunk, more = await self._next()
            self.bytes_read += len(chunk)
            if self.bytes_read > bytes_max:
                raise ClientBroke("request.too_large")
            if chunk:
                yield chunk

    async def departure(self) -> None:
        """Wait until the client has gone. To be asked after its body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _collect(self, signed: Signed) -> Body:
        identified = signed.screened.identified
        counted = 0
        chunks: list[bytes] = []
        more = True
        try:
            while more:
                chunk, more = await self._next()
                self.bytes_read += len(chunk)
                if self.bytes_read > identified.route.max_body_bytes:
                    return BodyBroken("request.too_large")
                if not signed.proved:
                    if not self._budget.take(identified.address, len(chunk)):
                        return BodyBroken("gateway.overloaded")
                    counted += len(chunk)
                chunks.append(chunk)
        except ClientBroke as broke:
            return BodyBroken(broke.code)
        finally:
            self._budget.release(identified.address, counted)
        return BodyRead(chunks[0] if len(chunks) == 1 else b"".join(chunks))

    async def _next(self) -> tuple[bytes, bool]:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientBroke("request.incomplete")
        more: bool = message.get("more_body", False)
        self.finished = not more
        return message.get("body", b""), more
