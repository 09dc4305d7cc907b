"""A connection driven in memory: what the client sends goes in as bytes, what it would read is collected."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from guard.server.connection import Connection
from guard.server.exchange import Exchange
from guard.server.limits import Limits
from guard.server.refusal import Refused


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and how it was ended."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unread = 0
        self.ended = self.closed = self.aborted = self.paused = False

    def asks_to_pause(self) -> bool:
        """As `paused`, for assertions on both sides of a change."""
        return self.paused

    def is_over(self) -> bool:
        """As `over`, likewise."""
        return self.over

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 5000) if name == "peername" else ("127.0.0.1", 80) if name == "sockname" else default

    def write(self, data: Any) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unread

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    @property
    def over(self) -> bool:
        """Whether the client sees an end."""
        return self.ended or self.closed


class Home:
    """A listener without a socket."""

    def __init__(self, app: Callable[..., Awaitable[None]], limits: Limits | None = None) -> None:
        self.app = app
        self.limits = limits or Limits()
        self.draining = False
        self.room = True
        self.refusals: list[Refused] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.orphans: set[Exchange] = set()
        self.direct: Callable[[Exchange], object] | None = None

    def admit(self, connection: Connection, visit: object) -> bool:  # noqa: ARG002
        return self.room

    def gone(self, connection: Connection) -> None:
        pass

    def refused(self, refused: Refused) -> None:
        self.refusals.append(refused)

    def run(self, exchange: Exchange) -> None:
        if self.direct is None or not exchange.body_complete:
            self.later(exchange, self._answering(exchange))
        else:
            self.direct(exchange)

    async def _answering(self, exchange: Exchange) -> None:
        await self.app(exchange.scope(), exchange.receive, exchange.send)

    def later(self, exchange: Exchange, rest: Awaitable[None]) -> None:
        task = asyncio.get_running_loop().create_task(self._finished(rest))
        self.tasks.add(task)
        task.add_done_callback(lambda task: exchange.returned(task.exception()))
        task.add_done_callback(self.tasks.discard)

    async def _finished(self, rest: Awaitable[None]) -> None:
        await rest

    def orphaned(self, exchange: Exchange) -> None:
        self.orphans.add(exchange)

    def concluded(self, exchange: Exchange) -> None:
        self.orphans.discard(exchange)

    def connect(self) -> tuple[Connection, Wire]:
        connection, wire = Connection(self, asyncio.get_running_loop()), Wire()
        connection.connection_made(wire)
        return connection, wire


async def turns(count: int = 8) -> None:
    """Let the loop run what is ready."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, at most 5 s."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
