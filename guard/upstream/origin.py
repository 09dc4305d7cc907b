"""One origin of a backend: where it is, how it proves itself, and the one way to open a connection to it."""

import asyncio
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from guard.model.exchange import Sent
from guard.model.upstream_policy import UpstreamTls
from guard.upstream.answer import UpstreamFailure
from guard.upstream.connection import Connection, Home

_PORTS = {"http": 80, "https": 443}


class Origin:
    """An http or https URL without a path. Certificates are always verified, and the name in them, in TLS 1.2 or later.

    Raises OSError or ValueError if a file of `tls` cannot be used.
    """

    def __init__(self, url: str, tls: UpstreamTls | None) -> None:
        parts = urlsplit(url)
        self.url = url
        self.authority = parts.netloc.encode("ascii")
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._tls = _context(tls or UpstreamTls()) if parts.scheme == "https" else None
        self._server_name = None if self._tls is None or tls is None else tls.server_name

    async def connect(self, home: Home, clock: Callable[[], int], *, idle_ms: int, patience_ms: int) -> Connection:
        """A connection that belongs to `home`. Raises UpstreamFailure: upstream.unreachable, with nothing sent."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience_ms / 1000):
                _, connection = await loop.create_connection(
                    lambda: Connection(home, clock, idle_ms),
                    self._host,
                    self._port,
                    ssl=self._tls,
                    server_hostname=self._server_name,
                )
        except OSError as error:
            source = f"{type(error).__name__}: {error}" if str(error) else "no connection in time"
            raise UpstreamFailure("upstream.unreachable", Sent.NO, source) from error
        if connection.closing:  # nothing tells of it a second time, so nobody may ask on it
            raise UpstreamFailure("upstream.unreachable", Sent.NO, "the backend closed the connection at once")
        return connection


def _context(tls: UpstreamTls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca)
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
    return context


def _no_password() -> str:
    """An encrypted key is refused when policies load; nobody is at hand who could be asked here."""
    raise ValueError("the key of the client certificate is encrypted")
