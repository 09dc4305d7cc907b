"""The crowd of `aborts.py` before a gateway in this very process, so that its tasks, futures and connections can be
counted: after the load there are as many as before it, and none once it has stopped.
"""

import asyncio
import gc
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvloop
from structlog.testing import capture_logs

from guard.app.keys import open_keyring
from guard.app.serving import serve
from guard.service.policies import Rulebook, read_rulebook
from guard.settings import Settings
from tests.ports import free_port
from tests.soak.aborts import POOL, Crowd, Size, checks
from tests.soak.backend import echoing_backend
from tests.soak.client import Caller
from tests.soak.scene import HOST, POLICIES
from tests.soak.verdict import Check, Say, Verdict, at_most, none
from tests.soak.watched import Watched
from tests.system.gateway import BY, NOBODY_URL
from tests.system.key_holder import Key, minted, signed, signed_fields
from tests.system.raw_http import message

NAME = "aborts_inside"
FULL = Size(requests=100_000, aborts=10_000)
SMALL = Size(requests=2000, aborts=400)

_READY_S = 10.0
_SETTLE_S = 9.0  # 4 s rests what goes to the backend; 10 s waits who is not told that his client has gone
_BODY = b"b" * 2000
_ROOMS = ("guard.server.", "guard.edges.", "guard.upstream.")


def run(size: Size, say: Say) -> Verdict:
    """Serve, break off, count."""
    with tempfile.TemporaryDirectory(prefix="guard-soak-") as folder, echoing_backend() as backend:
        url = f"http://127.0.0.1:{backend.port}"
        settings = Settings(
            home=Path(folder),
            policies=POLICIES,
            listen=f"127.0.0.1:{free_port()}",
            health_listen=f"127.0.0.1:{free_port()}",
            decision_log=os.devnull,
            log_level="error",
        )
        with _environment(BACKEND_URL=url, NOBODY_URL=NOBODY_URL):
            rules = read_rulebook(settings.policies)
        assert isinstance(rules, Rulebook), rules
        with capture_logs(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return Verdict(NAME, tuple(runner.run(_run(settings, rules, size, say))))


async def _run(settings: Settings, rules: Rulebook, size: Size, say: Say) -> list[Check]:
    key = minted("trader")
    async with open_keyring(settings) as keyring:
        await keyring.take_over([key.order], BY)
    outside = _objects()
    serving = asyncio.create_task(serve(settings, rules))
    crowd = _crowd(_port(settings.listen), key)
    await _ready(_port(settings.health_listen), serving)
    await asyncio.sleep(0.5)
    gc.unfreeze()  # what a serving gateway has frozen is not among the objects that can be counted
    before, descriptors = _objects(), Watched(os.getpid()).descriptors
    await crowd.ask(size, lambda done: say(f"{done} requests, {len(asyncio.all_tasks())} tasks"))
    after = await _settled(before, _SETTLE_S)
    descriptors_left = Watched(os.getpid()).descriptors - descriptors
    say(f"before {dict(before)}, after {dict(after)}; {dict(crowd.seen)}")
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    stopped = await _settled(outside, 10.0)
    return [
        *checks(crowd, size),
        at_most("tasks, futures, connections and such left over", (after - before).total(), _UNDER_WAY),
        at_most("descriptors left over", descriptors_left, POOL),
        none("left over once it has stopped", (stopped - outside).total()),
    ]


_REMEMBERED = {"_Section"}
"""What a bounded cache keeps for good: field sections that have been seen."""

_UNDER_WAY = 8
"""Polls of the key database that are on their way when it is looked: each a task, a future or two."""


def _objects() -> Counter[str]:
    """What there is in this process, by kind: tasks of this loop, other futures, and the objects of three rooms."""
    gc.collect()
    found = Counter({"tasks": len(asyncio.all_tasks())})
    for one in gc.get_objects():
        kind = type(one)
        if str(kind.__module__).startswith(_ROOMS) and kind.__name__ not in _REMEMBERED:
            found[f"{kind.__module__}.{kind.__name__}"] += 1
        elif isinstance(one, asyncio.Future) and not isinstance(one, asyncio.Task):
            found["futures"] += 1
    return found


async def _settled(count: Counter[str], within_s: float) -> Counter[str]:
    """What there is once it is no more than `count`, or after the time."""
    end = asyncio.get_running_loop().time() + within_s
    while (now := _objects()) - count and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110  # time it is
        await asyncio.sleep(0.5)
    return now


async def _ready(health_port: int, serving: asyncio.Task[None]) -> None:
    """Until `/readyz` says so."""
    async with asyncio.timeout(_READY_S):
        while not serving.done():
            await asyncio.sleep(0.1)
            with suppress(ConnectionError):
                caller = await Caller.connect(health_port)
                answer = await caller.ask(b"GET /readyz HTTP/1.1\r\nHost: health\r\nConnection: close\r\n\r\n")
                caller.close()
                if answer.status == 200:
                    return
    serving.result()


def _port(listen: str | None) -> int:
    return int((listen or "").rpartition(":")[2])


def _crowd(port: int, key: Key) -> Crowd:
    def content(method: str, target: str, body: bytes) -> bytes:
        return signed(key, method, target, body, host=HOST)

    def head() -> bytes:
        fields = signed_fields(key, "POST", "/v1/orders", _BODY, host=HOST)
        return message("POST", "/v1/orders", [*fields, (b"Content-Length", b"2000")])

    return Crowd(port, content, head)


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """These variables, for the time of the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
