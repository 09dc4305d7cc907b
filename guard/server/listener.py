"""Our own doorstep: one listening socket that serves one ASGI application in the running event loop, HTTP/1.1 only.

No TLS, no Unix socket, no WebSocket, no HTTP/2: an upgrade that a client offers is ignored. What it refuses and how
long it waits is in `limits`; what becomes of a connection is in `connection`.
"""

import asyncio
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, cast

from guard.server.connection import Connection
from guard.server.exchange import App, Exchange
from guard.server.limits import Limits

_BACKLOG = 2048
_LAST_S = 1
_DEFAULTS = Limits()


class Listener:
    """Binds at once, so that a port that is taken is an OSError here; listens from `start` to `stop`."""

    def __init__(self, app: App, host: str, port: int, *, grace_s: int = 10, limits: Limits = _DEFAULTS) -> None:
        self.limits = limits
        self.draining = False
        self._app = app
        self._grace_s = grace_s
        self._socket = bound(host, port)
        self._port: int = self._socket.getsockname()[1]
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop

    @property
    def port(self) -> int:
        """The port that it listens on: the one asked for, or the one that the system chose for port 0."""
        return self._port

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def start(self) -> None:
        """Accept connections from now on."""
        loop = self._loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self, loop), sock=self._socket, backlog=_BACKLOG)

    async def stop(self) -> None:
        """Accept no more, let what is in flight finish within the grace period, and close."""
        self.draining = True
        if self._server is None:
            self._socket.close()
            return
        self._server.close()
        for connection in tuple(self._connections):
            connection.drain()
        try:
            async with asyncio.timeout(self._grace_s):
                await self._emptied()
        except TimeoutError:
            self.abort_all()
            for task in self._tasks:
                task.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_S):
                    await self._emptied()

    def abort_all(self) -> None:
        """Close every connection at once, whatever is under way."""
        for connection in tuple(self._connections):
            connection.abort()

    # What its connections call.

    def admit(self, connection: Connection) -> bool:
        """One more connection; False if it is one too many, or comes too late."""
        self._connections.add(connection)
        return not self.draining and len(self._connections) <= self.limits.connections_max

    def gone(self, connection: Connection) -> None:
        """One connection less."""
        self._connections.discard(connection)

    def run(self, connection: Connection, exchange: Exchange) -> None:
        """Let the application answer, in a task of its own."""
        scope = exchange.scope(connection.client, connection.server)
        answering = cast("Coroutine[Any, Any, None]", self._app(scope, exchange.receive, exchange.send))
        task = self._loop.create_task(answering)
        self._tasks.add(task)

        def returned(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            cancelled = asyncio.CancelledError() if task.cancelled() else None
            connection.returned(exchange, cancelled or task.exception())

        task.add_done_callback(returned)

    async def _emptied(self) -> None:
        while self._connections or self._tasks:  # noqa: ASYNC110  # at the end of a process, a poll is good enough
            await asyncio.sleep(0.005)


def bound(host: str, port: int) -> socket.socket:
    """A socket that is bound and does not listen yet. Raises OSError if the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    listening.set_inheritable(False)
    return listening
