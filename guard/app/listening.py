"""Listeners, opened for a time: what our own is told from the settings, and uvicorn beside it for comparison."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import msgspec

from guard.server import listener, stand_in
from guard.server.exchange import App, Direct
from guard.server.limits import Limits
from guard.server.listener import Shared
from guard.server.refusal import Refused
from guard.server.tls import Tls
from guard.settings import Settings

Listener: TypeAlias = listener.Listener | stand_in.Listener


class Doorstep(msgspec.Struct, frozen=True, kw_only=True):
    """What our own listener is told beside its address. The stand-in knows the grace period only."""

    limits: Limits = Limits()
    grace_s: float = 10
    tls: Tls | None = None
    proxy_from: tuple[str, ...] = ()


_PLAIN = Doorstep()


@asynccontextmanager
async def listening(
    app: App,
    listen: str | None,
    server: str = "guard",
    *,
    doorstep: Doorstep = _PLAIN,
    shared: Shared | None = None,
    direct: Direct | None = None,
    refused: Callable[[Refused], object] | None = None,
) -> AsyncIterator[Listener | None]:
    """Listen for the time of the block, with our own server or with uvicorn; not at all if `listen` is None.

    `shared` is a socket that other processes accept from too, `direct` a shorter way to the same application: only our
    own server can take them. `refused` hears of each refusal that the application never saw; uvicorn tells of none.
    """
    if listen is None:
        yield None
        return
    if server == "uvicorn":
        listens: Listener = stand_in.Listener(app, listen, grace_s=int(doorstep.grace_s))
    else:
        listens = listener.Listener(
            app,
            listen,
            limits=doorstep.limits,
            grace_s=doorstep.grace_s,
            tls=doorstep.tls,
            proxy_from=doorstep.proxy_from,
            shared=shared,
            direct=direct,
            refused=refused,
        )
    await listens.start()
    try:
        yield listens
    finally:
        await listens.stop()


def doorstep_of(settings: Settings) -> Doorstep:
    """How the data plane is listened on."""
    tls = None
    if settings.tls_cert_file is not None and settings.tls_key_file is not None:
        tls = Tls(
            cert_file=settings.tls_cert_file,
            key_file=settings.tls_key_file,
            client_ca_file=settings.tls_client_ca_file,
            client_certs=settings.tls_client_certs,
        )
    limits = Limits(
        head_bytes_max=settings.head_bytes_max,
        fields_max=settings.fields_max,
        connections_max=settings.connections_max,
        connections_per_address_max=settings.connections_per_address_max,
        handshake_ms=settings.handshake_ms_max,
        head_ms=settings.head_ms_max,
        body_progress_ms=settings.body_progress_ms_max,
        idle_ms=settings.idle_ms_max,
        write_stall_ms=settings.write_stall_ms_max,
    )
    return Doorstep(limits=limits, grace_s=settings.drain_ms_max / 1000, tls=tls, proxy_from=settings.proxies)
