"""One worker, told over a socket pair what to do."""

import asyncio
import mmap
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

import guard.app.worker
from guard.app.link import UP, Drain, KeysChanged, Link, News, Refusal, Report, Task, Up
from guard.app.worker import CannotServe, Target, Working, shared_by, work
from guard.server.spread import nobody
from guard.telemetry.meter import Meter

_TASK = Task(b"orders", 1, 2, 3)


class _Target:
    """Serves nothing, and remembers what it was asked."""

    def __init__(self) -> None:
        self.meter = Meter()
        self.waiting_for: tuple[str, ...] = ()
        self.degraded: tuple[str, ...] = ()
        self.heard: list[News] = []
        self.hear: Callable[[News], object] = self.heard.append
        self.steps: list[str] = []

    @asynccontextmanager
    async def __call__(self, task: Task) -> AsyncIterator[Working]:
        assert task == _TASK
        self.steps.append("open")
        yield Working(
            waiting_for=lambda: self.waiting_for,
            degraded=lambda: self.degraded,
            tally=self.meter.tally,
            hear=self.hear,
            draining=lambda: self.steps.append("draining"),
        )
        self.meter.restart()  # something is counted while it finishes
        self.steps.append("closed")


@asynccontextmanager
async def _working(target: Target) -> AsyncIterator[tuple[Link[Up], asyncio.Task[None]]]:
    above, below = socket.socketpair()
    supervisor = await Link.of(above, UP)
    running = asyncio.create_task(work(below.detach(), target))
    try:
        yield supervisor, running
    finally:
        await supervisor.close()
        await asyncio.wait_for(asyncio.gather(running, return_exceptions=True), 10)


async def _report(supervisor: Link[Up]) -> Report:
    report = await asyncio.wait_for(supervisor.hear(), 10)
    assert isinstance(report, Report)
    return report


async def test_it_reports_serves_and_drains_when_it_is_told_to() -> None:
    target = _Target()
    async with _working(target) as (supervisor, running):
        supervisor.say(_TASK)
        assert (await _report(supervisor)).waiting_for == ()
        supervisor.say(Drain())
        assert (await _report(supervisor)).waiting_for == ("draining",)
        last = await _report(supervisor)
        assert last.tally.counts["guard_worker_restarts_total",] == 1, "what was finished is in the last report"
        assert await supervisor.hear() is None
        await running
    assert target.steps == ["open", "draining", "closed"]


async def test_a_change_of_readiness_is_reported_at_once_and_the_rest_each_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = _Target()
    target.waiting_for = ("keys",)
    monkeypatch.setattr(guard.app.worker, "REPORT_EVERY_S", 3600)
    async with _working(target) as (supervisor, _):
        supervisor.say(_TASK)
        assert (await _report(supervisor)).waiting_for == ("keys",)
        target.waiting_for = ()
        assert (await _report(supervisor)).waiting_for == ()
        target.degraded = ("keys: old",)
        assert (await _report(supervisor)).degraded == ("keys: old",)
    monkeypatch.setattr(guard.app.worker, "REPORT_EVERY_S", 0)
    async with _working(_Target()) as (supervisor, _):
        supervisor.say(_TASK)
        assert [(await _report(supervisor)).waiting_for for _ in range(3)] == [(), (), ()]


async def test_news_are_handed_on() -> None:
    target = _Target()
    async with _working(target) as (supervisor, _):
        for message in (_TASK, KeysChanged(7), _TASK, KeysChanged(8)):
            supervisor.say(message)
        async with asyncio.timeout(10):
            while len(target.heard) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert target.heard == [KeysChanged(7), KeysChanged(8)]


async def test_a_bug_in_what_hears_the_news_does_not_leave_it_deaf() -> None:
    def bug(_: News) -> None:
        raise ZeroDivisionError("the canary of a bug")

    target = _Target()
    target.hear = bug
    async with _working(target) as (supervisor, running):
        supervisor.say(_TASK)
        await _report(supervisor)
        supervisor.say(KeysChanged(7))
        await asyncio.wait_for(running, 10)
    assert target.steps == ["open", "draining", "closed"]


async def test_it_drains_when_its_supervisor_is_no_more() -> None:
    target = _Target()
    async with _working(target) as (supervisor, running):
        supervisor.say(_TASK)
        await _report(supervisor)
        await supervisor.close()
        await asyncio.wait_for(running, 10)
    assert target.steps == ["open", "draining", "closed"]


async def test_sigterm_drains_it_and_sigint_does_not() -> None:
    target = _Target()
    async with _working(target) as (supervisor, running):
        supervisor.say(_TASK)
        await _report(supervisor)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0)
        steps = list(target.steps)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(running, 10)
    assert (steps, target.steps) == (["open"], ["open", "draining", "closed"])


async def test_what_cannot_be_served_is_told_and_raised() -> None:
    def refuse(_: Task) -> AbstractAsyncContextManager[Working]:
        raise CannotServe("no database")

    async with _working(refuse) as (supervisor, running):
        supervisor.say(_TASK)
        assert await supervisor.hear() == Refusal("no database")
        with pytest.raises(CannotServe, match="no database"):
            await running


async def test_without_a_task_it_just_ends() -> None:
    target = _Target()
    async with _working(target) as (supervisor, running):
        await supervisor.close()
        await asyncio.wait_for(running, 10)
    assert target.steps == []


def test_what_it_has_inherited_is_the_socket_and_its_place_in_the_spread() -> None:
    memory = os.memfd_create("test")
    os.write(memory, nobody(2))
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    name = bound.getsockname()
    shared = shared_by(Task(b"", 1, bound.detach(), memory))
    assert shared.socket.getsockname() == name
    shared.spread.hold(5)
    assert mmap.mmap(memory, 0)[8:16] == (5).to_bytes(8, "little")
    shared.socket.close()
    os.close(memory)
