"""Who is at the other end of one connection, as far as the connection itself tells.

A client on a Unix socket has no address and counts as 127.0.0.1: whoever may open the socket is on this machine.
"""

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, TypeAlias

from guard.server.tls import Secured
from guard.wire.client_address import canonical

Address: TypeAlias = tuple[str, int]
Server: TypeAlias = tuple[str, int | None]

_LOCAL = ("127.0.0.1", 0)


class Names:
    """The addresses of both ends: those of the socket, or those that a trusted proxy told."""

    __slots__ = ("client", "server")

    def __init__(self, client: Address | None, server: Server | None) -> None:
        self.client = client
        self.server = server


class Peer:
    """See the module. Applications find it in their scope and may set `subject`: whom the connection serves, so that
    `Listener.abort` finds it; and `left`, to be called once if the client leaves before it is answered.

    `tls` is the scope's extension of that name, None without TLS; `certificate` the client's own, verified, in DER.
    """

    __slots__ = ("certificate", "client", "left", "server", "subject", "tls")

    def __init__(self, names: Names, tls: dict[str, Any] | None = None, certificate: bytes | None = None) -> None:
        self.client = names.client
        self.server = names.server
        self.tls = tls
        self.certificate = certificate
        self.subject: Hashable = None
        self.left: Callable[[], object] | None = None

    def leave(self) -> None:
        """The client has left before it was answered."""
        left, self.left = self.left, None
        if left is not None:
            left()


def peer_of(transport: asyncio.Transport, names: Names | None, secured: Secured | None) -> Peer:
    """The peer of a connection that was just made. `names` replaces the socket's own."""
    if names is None:
        names = Names(client_name(transport.get_extra_info("peername")), _server(transport.get_extra_info("sockname")))
    if secured is None:
        return Peer(names)
    told = secured.told(transport.get_extra_info("ssl_object"))
    return Peer(names, told.extension, told.certificate)


def client_name(name: object) -> Address | None:
    """Host and port of a peer's socket, the host as canonical text; None for a client that has gone already."""
    if isinstance(name, tuple):
        host = name[0].partition("%")[0]  # a zone id is of this machine, not of the client
        return (canonical(host) or host, name[1])
    return None if name is None else _LOCAL


def _server(name: object) -> Server | None:
    if isinstance(name, tuple):
        return (name[0], name[1])
    return (name, None) if isinstance(name, str) and name else None
