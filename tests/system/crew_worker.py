"""A worker that serves a small ASGI application instead of a gateway: for tests of what is around it.

`python -m tests.system.crew_worker LINK`; `crew.py` is its supervisor.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from guard.app.link import Task
from guard.app.worker import CannotServe, Working, shared_by, work
from guard.server.listener import Listener
from guard.telemetry.meter import Meter


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """`behaviour`: a file with a word in it: serve, wait (for the test, before being ready), refuse or die."""

    listen: str
    health_listen: str
    behaviour: str
    workers: int = 2
    grace_s: float = 5
    answer_ms: int = 1


@asynccontextmanager
async def _target(task: Task) -> AsyncIterator[Working]:
    config = msgspec.json.decode(task.content, type=Config)
    match _behaviour(config):
        case "refuse":
            raise CannotServe("the test wants no worker")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
    meter = Meter(policy=lambda: "test")
    listener = Listener(_application(config, meter), config.listen, grace_s=config.grace_s, shared=shared_by(task))
    await listener.start()
    try:
        yield Working(waiting_for=lambda: ("the test",) if _behaviour(config) == "wait" else (), tally=meter.tally)
    finally:
        await listener.stop()


def _behaviour(config: Config) -> str:
    return Path(config.behaviour).read_text()


def _application(config: Config, meter: Meter) -> Any:
    pid = b"%d" % os.getpid()

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await asyncio.sleep(60 if scope["path"] == "/slow" else config.answer_ms / 1000)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(pid))]})
        await send({"type": "http.response.body", "body": pid})
        meter.decision("test", "/", "allow", "", "enforce")

    return app


if __name__ == "__main__":
    try:
        uvloop.run(work(int(sys.argv[1]), _target))
    except CannotServe:  # the supervisor says it
        sys.exit(1)
