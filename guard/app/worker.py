"""One worker: a process that a supervisor started, and serves as long as that one wants.

What it serves is its target's business. It reports each second, and when its readiness changes; it drains when it is
told to, at SIGTERM, and when the link breaks because the supervisor is no more. It never ends for SIGINT and
SIGHUP: they are for the supervisor, which tells its workers.
"""

import asyncio
import mmap
import signal
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import msgspec
import structlog

from guard.app.link import DOWN, Down, Drain, Link, News, Refusal, Report, Task
from guard.server.listener import Shared
from guard.server.spread import Spread
from guard.telemetry.tally import Tally

REPORT_EVERY_S = 1
_LOOK_EVERY_S = 0.05
_DRAINING = ("draining",)

_log = structlog.get_logger()


class CannotServe(Exception):  # noqa: N818  # the world's fault, not ours
    """There is nothing that a worker could serve. The text says what is wrong, and what to do."""


class Working(msgspec.Struct, frozen=True, kw_only=True):
    """What is being served, as its worker sees it. `tally` can be asked after the end, too."""

    waiting_for: Callable[[], tuple[str, ...]]
    tally: Callable[[], Tally]
    degraded: Callable[[], tuple[str, ...]] = tuple
    hear: Callable[[News], object] = lambda _: None
    draining: Callable[[], object] = lambda: None
    policy: Callable[[], str] = str


Target: TypeAlias = Callable[[Task], AbstractAsyncContextManager[Working]]
"""Serves for the time of the block, and finishes what is in flight when it is left. Raises CannotServe."""


async def work(link_descriptor: int, target: Target) -> None:
    """Serve until told to stop. Raises CannotServe, after the supervisor was told."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    for number in (signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, lambda: None)
    link = await Link.of(socket.socket(fileno=link_descriptor), DOWN)
    try:
        task = await link.hear()
        if isinstance(task, Task):
            await _serve(link, task, target, stop)
    except CannotServe as cannot:
        link.say(Refusal(str(cannot)))
        raise
    finally:
        await link.close()


async def _serve(link: Link[Down], task: Task, target: Target, stop: asyncio.Event) -> None:
    async with target(task) as working:
        hearing = asyncio.create_task(_hear(link, working), name="hear the supervisor")
        hearing.add_done_callback(lambda _: stop.set())  # however it ends: nobody tells this worker anything any more
        await _report(link, working, stop)
        working.draining()
        link.say(Report(_DRAINING, working.tally(), policy=working.policy()))
    hearing.cancel()
    link.say(Report(_DRAINING, working.tally(), policy=working.policy()))


async def _hear(link: Link[Down], working: Working) -> None:
    """Hand on what there is to hear, until it is to drain."""
    while not isinstance(news := await link.hear(), Drain):
        if news is None:
            _log.warning("worker.orphaned")
            return
        if not isinstance(news, Task):
            working.hear(news)


async def _report(link: Link[Down], working: Working, stop: asyncio.Event) -> None:
    """Report until asked to stop. A supervisor that does not read is spared."""
    told: tuple[object, ...] = ()
    due_at = 0.0
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        state = waiting_for, degraded, policy = working.waiting_for(), working.degraded(), working.policy()
        if (state != told or loop.time() >= due_at) and link.clear:
            link.say(Report(waiting_for, working.tally(), degraded, policy))
            told, due_at = state, loop.time() + REPORT_EVERY_S
        try:
            async with asyncio.timeout(_LOOK_EVERY_S):
                await stop.wait()
        except TimeoutError:
            continue


def shared_by(task: Task) -> Shared:
    """The socket and the spread whose descriptors this process has inherited."""
    memory = memoryview(mmap.mmap(task.memory, 0))
    return Shared(socket.socket(fileno=task.listening), Spread(memory, task.place))
