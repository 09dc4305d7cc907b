"""Our own doorstep: one listening socket that serves one ASGI application in the running event loop, HTTP/1.1 only.

No WebSocket and no HTTP/2: an upgrade that a client offers is declined by answering the request as it is (RFC 9110
section 7.8). What it refuses and how long it waits is in `limits`; what becomes of a connection is in `connection`.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Container, Hashable
from contextlib import suppress

import msgspec

from guard.server.binding import BACKLOG, Binding
from guard.server.connection import Connection
from guard.server.crowd import Crowd
from guard.server.doorway import Doorway
from guard.server.endpoint import endpoint
from guard.server.exchange import App, Direct, Exchange
from guard.server.limits import Limits
from guard.server.peer import Names
from guard.server.refusal import Refused, log_refused
from guard.server.spread import ABSENT, Spread
from guard.server.tls import Certificates, Secured, Tls
from guard.wire.client_address import canonical, in_networks

_LAST_S = 1
_DEFAULTS = Limits()


class Shared(msgspec.Struct, frozen=True):
    """A socket that this process was given to accept from beside others, and how it shares newcomers with them."""

    socket: socket.socket
    spread: Spread


class Listener:
    """Binds at once and reads its certificates, so that what cannot be had is an OSError here; listens from `start` to
    `stop`.

    `direct` is a shorter way to the same application for requests whose body is at hand (not for HEAD).
    `proxy_from` names the peers (networks, or `unix`) whose connections begin with a PROXY header; `shared` is a
    socket that other processes accept from too; `refused` hears of each refusal that the application never saw.
    """

    def __init__(
        self,
        app: App,
        listen: str,
        *,
        limits: Limits = _DEFAULTS,
        grace_s: float = 10,
        tls: Tls | None = None,
        proxy_from: tuple[str, ...] = (),
        shared: Shared | None = None,
        direct: Direct | None = None,
        refused: Callable[[Refused], object] | None = None,
    ) -> None:
        self.limits = limits
        self.draining = False
        self._on_refused = refused
        self.crowd = Crowd(limits.connections_max, limits.connections_per_address_max)
        self._app = app
        self._direct = direct
        self._grace_s = grace_s
        self._certificates = None if tls is None else Certificates(tls)
        self._doorway = Doorway(self, self._certificates, proxy_from)
        inherited = None if shared is None else shared.socket
        self._binding = Binding(endpoint(listen), inherited=inherited)
        self._spread = None if shared is None else shared.spread
        self._connections: set[Connection] = set()
        self._running: dict[Exchange, asyncio.Task[None]] = {}
        self._orphans: set[Exchange] = set()
        self._following: asyncio.Task[None] | None = None
        self._accepting = False
        self._loop: asyncio.AbstractEventLoop

    @property
    def port(self) -> int:
        """The port that it listens on: the one asked for, or the one that the system chose. A Unix socket has 0."""
        return self._binding.port

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def start(self) -> None:
        """Accept connections from now on."""
        loop = self._loop = asyncio.get_running_loop()
        self._accepting = True
        if self._certificates is not None:
            self._following = loop.create_task(self._certificates.follow(), name="follow the certificates")
        self._binding.socket.listen(BACKLOG)
        self.counted()
        self._doorway.open(self._binding.socket)

    async def stop(self) -> None:
        """Accept no more, let what is in flight finish within the grace period, and close."""
        self.draining = True
        self._accept_no_more()
        for connection in tuple(self._connections):
            connection.drain()
        try:
            async with asyncio.timeout(self._grace_s):
                await self._emptied()
        except TimeoutError:
            self.abort_all()
            for task in self._running.values():
                task.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_S):
                    await self._emptied()

    def abort(self, *, subjects: Container[Hashable] = (), address: str | None = None) -> int:
        """Close at once every connection that serves one of them or comes from `address`, whatever is under way there.

        How many there were.
        """
        host = None if address is None else canonical(address)
        found = [
            connection
            for connection in self._connections
            if (connection.peer.subject is not None and connection.peer.subject in subjects)
            or (host is not None and connection.peer.client is not None and connection.peer.client[0] == host)
        ]
        for connection in found:
            connection.abort()
        return len(found)

    def abort_from(self, network: str, *, spared: Container[Hashable] = (), exempt: tuple[str, ...] = ()) -> int:
        """Close at once every connection from these addresses, but those that serve one of the spared, or come from a
        network that is exempt: how many.
        """
        found = [
            connection
            for connection in self._connections
            if connection.peer.subject not in spared
            and connection.peer.client is not None
            and (address := canonical(connection.peer.client[0])) is not None
            and in_networks(address, (network,))
            and not in_networks(address, exempt)
        ]
        for connection in found:
            connection.abort()
        return len(found)

    def abort_all(self) -> None:
        """Close every connection at once, whatever is under way."""
        self._doorway.abort()
        for connection in tuple(self._connections):
            connection.abort()

    # What its doorway and its connections call.

    def protocol(self, names: Names | None, secured: Secured | None, visit: object) -> Connection:
        """A connection for somebody who came through the doorway."""
        return Connection(self, self._loop, names, secured, visit)

    def admit(self, connection: Connection, visit: object) -> bool:
        """One more connection, in the place of its visit; False if it is one too many."""
        self._connections.add(connection)
        self.crowd.leave(visit)
        client = connection.peer.client
        return self.crowd.enter(connection, client[0] if client else "")

    def gone(self, connection: Connection) -> None:
        """One connection less."""
        self._connections.discard(connection)
        self.crowd.leave(connection)
        self.counted()

    def ahead(self) -> int:
        """How many clients more this process holds than another that accepts from the same socket."""
        if self._spread is None:
            return 0
        self.counted()
        return self._spread.ahead()

    def counted(self) -> None:
        """There is one client more or less than before: tell the other processes."""
        if self._spread is not None:
            self._spread.hold(len(self._connections) + self._doorway.visitors if self._accepting else ABSENT)

    def refused(self, refused: Refused) -> None:
        """Log a refusal, and tell whoever wants to hear of it."""
        log_refused(refused)
        if self._on_refused is not None:
            self._on_refused(refused)

    def run(self, exchange: Exchange) -> None:
        """Let the application answer: directly, if there is such a way and it has no need to wait; else in a task."""
        if self._direct is None or not exchange.body_complete or exchange.head.verb == "HEAD":
            self.later(exchange, self._app(exchange.scope(), exchange.receive, exchange.send))
            return
        rest = self._direct(exchange)
        if rest is not None:
            self.later(exchange, rest)

    def later(self, exchange: Exchange, rest: Awaitable[None]) -> None:
        """Go on with an exchange in a task of its own."""
        self._running[exchange] = self._loop.create_task(self._serve(exchange, rest))

    def orphaned(self, exchange: Exchange) -> None:
        """Remember that an exchange goes on without its client."""
        self._orphans.add(exchange)

    def concluded(self, exchange: Exchange) -> None:
        """Forget it."""
        self._orphans.discard(exchange)

    async def _serve(self, exchange: Exchange, rest: Awaitable[None]) -> None:
        error: BaseException | None = None
        try:
            await rest
        except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001  # whatever it was, the client is answered
            error = raised
        del self._running[exchange]
        self._orphans.discard(exchange)
        exchange.returned(error)

    def _accept_no_more(self) -> None:
        """Whoever the system has connected already is let in first, so that sharing a port loses nobody."""
        if not self._accepting:
            self._binding.close()
            return
        self._accepting = False
        if self._following is not None:
            self._following.cancel()
        self._doorway.close(self._binding.socket)
        self._binding.close()
        self.counted()

    async def _emptied(self) -> None:
        while self._busy():  # noqa: ASYNC110  # at the end of a process, a poll is good enough
            await asyncio.sleep(0.005)

    def _busy(self) -> bool:
        if self._connections or self._orphans or self._doorway.visitors:
            return True
        return not all(task.done() for task in self._running.values())
