"""Where connections come in, and what they go through before their first request where more than TCP is spoken: the
PROXY header of a trusted peer, then the TLS handshake. Both have one deadline; whoever fails or is late is closed
without an answer.

Sockets are accepted here, so that not a byte behind the PROXY header is read before TLS, that each handshake uses the
certificate in force, that a busy gateway lets in more than one client a turn of its loop (libuv's servers do not), and
that processes that accept from one socket each get their share (`spread`).
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

import structlog

from guard.server.binding import BACKLOG
from guard.server.crowd import Crowd
from guard.server.limits import Limits
from guard.server.peer import Names, client_name
from guard.server.refusal import Refused, Stage, silent_refusal
from guard.server.tls import Certificates, Secured
from guard.wire import proxy_protocol
from guard.wire.client_address import canonical, in_networks

_UNIX = "unix"
_AGAIN_S = 0.1
_A_TURN = 128
_LEFT_TO_OTHERS_S = 0.005

_log = structlog.get_logger()


class House(Protocol):
    """The listener, as its doorway needs it."""

    limits: Limits
    crowd: Crowd

    def ahead(self) -> int:
        """How many clients more this process holds than another that accepts from the same socket."""

    def counted(self) -> None:
        """There is one client more or less than before."""

    def refused(self, refused: Refused) -> None:
        """Remember a refusal."""

    def protocol(self, names: Names | None, secured: Secured | None, visit: object) -> asyncio.Protocol:
        """What speaks with a client from here on. `visit` has entered the crowd on its behalf."""


class Doorway:
    """See the module. `proxy_from` holds networks, and `unix` for whoever comes over a Unix socket."""

    def __init__(self, house: House, certificates: Certificates | None, proxy_from: tuple[str, ...]) -> None:
        self._house = house
        self._certificates = certificates
        self._networks = tuple(network for network in proxy_from if network != _UNIX)
        self._unix_is_trusted = _UNIX in proxy_from
        self._proxied = bool(proxy_from)
        self._visits: set[asyncio.Task[None]] = set()
        self._again: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop

    def open(self, listening: socket.socket) -> None:
        """Accept connections from now on."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(listening, self._accept, listening)

    def close(self, listening: socket.socket) -> None:
        """Accept no more, but whoever the system has connected already."""
        self._take(listening, BACKLOG)
        self._loop.remove_reader(listening)
        if self._again is not None:
            self._again.cancel()

    def abort(self) -> None:
        """Give up whoever has not come through."""
        for visit in self._visits:
            visit.cancel()

    @property
    def visitors(self) -> int:
        """How many have neither come through nor were given up."""
        return len(self._visits)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_A_TURN):
            if self._house.ahead():
                self._pause(listening, _LEFT_TO_OTHERS_S, self._accept_left)
                return
            if not self._take(listening, 1):
                return

    def _accept_left(self, listening: socket.socket) -> None:
        """Accept of those whom nobody else has taken."""
        self.open(listening)
        self._take(listening, min(max(1, self._house.ahead()), _A_TURN))

    def _take(self, listening: socket.socket, clients_max: int) -> bool:
        """Whether there may be more."""
        for _ in range(clients_max):
            try:
                client, name = listening.accept()
            except BlockingIOError:
                return False
            except ConnectionError:  # gone already
                continue
            except OSError as error:  # out of descriptors: those who wait stay in the backlog meanwhile
                _log.warning("listener.accept_failed", error=str(error))
                self._pause(listening, _AGAIN_S, self.open)
                return False
            client.setblocking(False)  # noqa: FBT003  # the socket module's own signature
            longer = self._certificates is not None or (self._proxied and self._is_trusted(name))
            visit = self._loop.create_task(self._visit(client, name) if longer else self._let_in(client))
            self._visits.add(visit)
            visit.add_done_callback(self._done)
        return True

    def _pause(self, listening: socket.socket, pause_s: float, then: Callable[[socket.socket], None]) -> None:
        self._loop.remove_reader(listening)
        self._again = self._loop.call_later(pause_s, then, listening)

    def _done(self, visit: asyncio.Task[None]) -> None:
        self._visits.discard(visit)
        self._house.counted()

    async def _let_in(self, client: socket.socket) -> None:
        """Nothing stands before its first request."""
        try:
            await self._loop.connect_accepted_socket(lambda: self._house.protocol(None, None, None), client)
        except OSError:  # gone already
            client.close()

    async def _visit(self, client: socket.socket, name: object) -> None:
        host = (client_name(name) or ("", 0))[0]
        visit, stages = object(), [Stage.CONNECTION]
        try:
            self._count(visit, "" if self._is_trusted(name) else host)
            async with asyncio.timeout(self._house.limits.handshake_ms / 1000):
                await self._enter(client, name, visit, stages.append)
        except _Crowded as crowded:
            client.close()
            self._refuse("gateway.overloaded", crowded.host or host, Stage.CONNECTION, "too many connections")
        except TimeoutError:
            client.close()
            self._refuse("request.timeout", host, stages[-1], "not done in time")
        except OSError as error:  # among them ssl.SSLError
            client.close()
            self._refuse("request.malformed", host, stages[-1], str(error))
        except asyncio.CancelledError:
            client.close()
            raise
        finally:
            self._house.crowd.leave(visit)

    async def _enter(
        self, client: socket.socket, name: object, visit: object, reached: Callable[[Stage], object]
    ) -> None:
        names = None
        if self._is_trusted(name):
            reached(Stage.PROXY)
            header = await _header(client)
            if header is None:
                client.close()
                return
            if isinstance(header, proxy_protocol.Proxied):
                names = Names(header.client, header.server)
        if self._certificates is None:
            await self._loop.connect_accepted_socket(lambda: self._house.protocol(names, None, visit), client)
            return
        if names is not None and names.client is not None:
            self._house.crowd.leave(visit)
            self._count(visit, names.client[0])
        reached(Stage.TLS)
        secured = self._certificates.current
        await self._loop.connect_accepted_socket(
            lambda: self._house.protocol(names, secured, visit),
            client,
            ssl=secured.context,
            ssl_shutdown_timeout=self._house.limits.linger_ms / 1000,
        )

    def _is_trusted(self, name: object) -> bool:
        if not isinstance(name, tuple):
            return self._unix_is_trusted
        address = canonical((client_name(name) or ("", 0))[0])
        return address is not None and in_networks(address, self._networks)

    def _count(self, visit: object, host: str) -> None:
        if not self._house.crowd.enter(visit, host):
            raise _Crowded(host)

    def _refuse(self, code: str, host: str, stage: Stage, detail: str) -> None:
        self._house.refused(silent_refusal(code, host or None, stage, detail))


class _Crowded(Exception):  # noqa: N818  # no error: there are many
    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


async def _header(client: socket.socket) -> proxy_protocol.Source | None:
    """The PROXY header. None if the peer has gone without a word, as those do that only look whether we are there.

    Raises OSError for what is none.
    """
    prefix = await _read(client, proxy_protocol.PREFIX_BYTES)
    if not prefix:
        return None
    if len(prefix) < proxy_protocol.PREFIX_BYTES:
        raise OSError("a PROXY header cut short")
    count = proxy_protocol.bytes_behind(prefix)
    if isinstance(count, proxy_protocol.Fault):
        raise OSError(count.detail)
    rest = await _read(client, count)
    if len(rest) < count:
        raise OSError("a PROXY header cut short")
    header = proxy_protocol.source(prefix, rest)
    if isinstance(header, proxy_protocol.Fault):
        raise OSError(header.detail)
    return header


async def _read(client: socket.socket, count: int) -> bytes:
    """So many bytes and not one more; fewer only if the peer ended before."""
    loop, content = asyncio.get_running_loop(), b""
    while len(content) < count:
        part = await loop.sock_recv(client, count - len(content))
        if not part:
            break
        content += part
    return content
