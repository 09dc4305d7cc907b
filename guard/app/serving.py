"""Serving: listeners opened, the signals of the process obeyed, and everything stopped in order."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from guard.app.gateway import Running, open_gateway
from guard.server import listener, stand_in
from guard.server.exchange import App
from guard.service.policies import Rulebook
from guard.settings import Settings, host_and_port

_READY_POLL_S = 0.02

_log = structlog.get_logger()


async def serve(settings: Settings, rules: Rulebook) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is in flight and stop."""
    stop = stop_event()
    async with (
        open_gateway(settings, rules) as running,
        listening(running.health, settings.health_listen),
        listening(running.gateway, settings.listen, settings.server),
    ):
        await until_ready(running, stop)
        _log.info(
            "gateway.ready", listen=settings.listen, policies=str(settings.policies), policy=rules.policies.digest
        )
        await stop.wait()
        running.draining.set()
        _log.info("gateway.draining")


@asynccontextmanager
async def listening(app: App, listen: str | None, server: str = "guard") -> AsyncIterator[None]:
    """Listen for the time of the block, with our own server or with uvicorn; not at all if `listen` is None."""
    if listen is None:
        yield
        return
    listens = stand_in.Listener if server == "uvicorn" else listener.Listener
    doorstep = listens(app, *host_and_port(listen))
    await doorstep.start()
    try:
        yield
    finally:
        await doorstep.stop()


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
