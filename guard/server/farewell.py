"""How a connection ends (RFC 9112 section 9.6): our side is closed, what still comes is dropped for a while so that the
client can read its answer, then the socket is closed.

TLS has no half-closed connections: there the whole is closed at once if the client owes us nothing, and else after that
while, or when the client closes.
"""

import asyncio

from guard.server.deadline import Deadline
from guard.server.limits import Limits


class Farewell:
    """The last part of one connection's life."""

    def __init__(self, transport: asyncio.Transport, deadline: Deadline, limits: Limits) -> None:
        self._transport = transport
        self._deadline = deadline
        self._limits = limits
        self._dropped_bytes = 0
        self._patient = True
        deadline.set(limits.linger_ms)

    def wave(self, *, heard_all: bool) -> None:
        """Nothing will be written any more. `heard_all` says that the client has nothing left to send, or cannot."""
        transport = self._transport
        if transport.is_closing() or heard_all:
            transport.close()
        elif transport.can_write_eof():
            transport.write_eof()

    def drop(self, count: int) -> None:
        """So many bytes came after all."""
        self._dropped_bytes += count
        if self._dropped_bytes > self._limits.linger_bytes_max:
            self._transport.abort()

    def late(self) -> None:
        """The time is over. A client that is still reading its answer gets more of it, once."""
        if self._patient and self._transport.get_write_buffer_size():
            self._patient = False
            self._deadline.set(self._limits.write_stall_ms)
        else:
            self._transport.abort()
