"""Serving: listeners opened, the signals of the process obeyed, and everything stopped in order."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias

import msgspec
import structlog

from guard.app.gateway import Running, open_gateway
from guard.model.decision import DecisionEvent
from guard.model.facts import Transport
from guard.model.keys import KeyRecord, KeyState
from guard.server import listener, stand_in
from guard.server.exchange import App
from guard.server.limits import Limits
from guard.server.refusal import Refused
from guard.server.tls import Tls
from guard.service.policies import Rulebook
from guard.settings import Settings
from guard.telemetry.decision_log import timestamp

_READY_POLL_S = 0.02
_GARBAGE = (100_000, 10, 100)

Listener: TypeAlias = listener.Listener | stand_in.Listener

_log = structlog.get_logger()


class Doorstep(msgspec.Struct, frozen=True, kw_only=True):
    """What our own listener is told beside its address. The stand-in knows the grace period only."""

    limits: Limits = Limits()
    grace_s: float = 10
    tls: Tls | None = None
    proxy_from: tuple[str, ...] = ()


_PLAIN = Doorstep()


async def serve(settings: Settings, rules: Rulebook) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is in flight and stop."""
    stop = stop_event()
    async with (
        open_gateway(settings, rules) as running,
        listening(running.health, settings.health_listen),
        listening(
            running.gateway,
            settings.listen,
            settings.server,
            doorstep=doorstep_of(settings),
            refused=_recorder(running),
        ) as front,
    ):
        running.directory.on_change = _cutter(front)
        await until_ready(running, stop)
        _log.info(
            "gateway.ready", listen=settings.listen, policies=str(settings.policies), policy=rules.policies.digest
        )
        with _settled():
            await stop.wait()
        running.draining.set()
        _log.info("gateway.draining")


@asynccontextmanager
async def listening(
    app: App,
    listen: str | None,
    server: str = "guard",
    *,
    doorstep: Doorstep = _PLAIN,
    refused: Callable[[Refused], object] | None = None,
) -> AsyncIterator[Listener | None]:
    """Listen for the time of the block, with our own server or with uvicorn; not at all if `listen` is None.

    `refused` hears of each refusal that the application never saw; uvicorn tells of none.
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


@contextmanager
def _settled() -> Iterator[None]:
    """Garbage is looked for seldom, and not in what lives as long as the process.

    A request leaves no cycles behind. Python looks for some after each 700 objects made, among all that is in flight:
    with a thousand requests waiting for a backend that cost as much as serving them, and with millions of nonces 40 ms
    at a time.
    """
    gc.collect()
    gc.freeze()
    usual = gc.get_threshold()
    gc.set_threshold(*_GARBAGE)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def _recorder(running: Running) -> Callable[[Refused], None] | None:
    """Writes what the listener refused into the decision log."""
    log = running.log
    if log is None:
        return None

    def record(refused: Refused) -> None:
        event = DecisionEvent(
            ts=timestamp(running.now()),
            id=refused.request_id,
            decision="deny",
            reason=refused.code,
            status=refused.status,
            sent=refused.sent.value,
            transport=Transport.HTTP.value,
            ip=refused.address,
            error=f"{refused.stage}: {refused.detail}" if refused.detail else refused.stage.value,
        )
        log.record(event)

    return record


def _cutter(front: Listener | None) -> Callable[[tuple[KeyRecord, ...]], None]:
    """Cuts the connections of keys that may no longer be used, whatever is under way on them."""

    def cut(changed: tuple[KeyRecord, ...]) -> None:
        for record in changed:
            if record.state is not KeyState.ACTIVE and isinstance(front, listener.Listener):
                front.abort(subject=record.id)

    return cut


async def until_ready(running: Running, stop: asyncio.Event) -> None:
    """Wait until signed requests can be told from replays, or until asked to stop."""
    while running.readiness().reasons and not stop.is_set():  # noqa: ASYNC110  # it is time that is waited for
        await asyncio.sleep(_READY_POLL_S)


def stop_event() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
