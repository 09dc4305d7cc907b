"""The supervisor keeps places filled, gives up when that has no prospect, and stops in order."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

import guard.app.supervisor
from guard.app.link import KeysChanged, PolicyChanged
from guard.app.supervisor import Supervisor
from guard.app.worker import CannotServe
from guard.server.binding import Binding
from guard.server.endpoint import Internet

_SCRIPTED = Path(__file__).with_name("scripted_worker.py")
_TASK = ("hear", "Task")
_READY = (_TASK, ("report", 1))
_DRAINS = (("hear", "Drain"), ("report", 2, "draining"), ("exit", 0))


def _supervisor(*steps: tuple[Any, ...], workers: int = 2, grace_s: float = 20) -> Supervisor:
    command = (sys.executable, str(_SCRIPTED), msgspec.json.encode(steps).decode())
    return Supervisor(command, b"", Binding(Internet("127.0.0.1", 0)), workers=workers, grace_s=grace_s)


class _Told:
    """What the supervisor tells while it runs, and the signals that it gets for that."""

    def __init__(self, *signals: signal.Signals) -> None:
        self._signals = list(signals)
        self.words: list[str] = []

    def ready(self) -> None:
        self.words.append("ready")
        self._signal()

    def stopping(self) -> None:
        self.words.append("stopping")
        self._signal()

    def _signal(self) -> None:
        if self._signals:
            os.kill(os.getpid(), self._signals.pop(0))


async def _run(supervisor: Supervisor, told: _Told) -> None:
    await asyncio.wait_for(supervisor.run(told.ready, told.stopping), 60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_is_ready_once_all_workers_are_and_drains_them_at_a_signal(number: signal.Signals) -> None:
    supervisor, told = _supervisor(*_READY, *_DRAINS), _Told(number)
    seen = [supervisor.waiting_for]
    await _run(supervisor, told)
    assert told.words == ["ready", "stopping"]
    seen.append(supervisor.waiting_for)
    assert seen == [("worker 1: starting", "worker 2: starting"), ("draining",)]
    tally = supervisor.tally()
    assert tally.counts["served",] == 4
    assert tally.counts["guard_worker_restarts_total",] == 0


async def test_what_an_operator_must_know_of_a_worker_is_told_with_its_number() -> None:
    supervisor = _supervisor(("hear", "Task"), ("degraded", "keys: old"), *_DRAINS)
    seen: list[tuple[str, ...]] = []

    def ready() -> None:
        seen.append(supervisor.degraded)
        os.kill(os.getpid(), signal.SIGTERM)

    await asyncio.wait_for(supervisor.run(ready, lambda: None), 60)
    assert seen == [("worker 1: keys: old", "worker 2: keys: old")]


async def test_what_it_is_told_to_tell_reaches_all_workers() -> None:
    supervisor = _supervisor(*_READY, ("hear", "KeysChanged"), *_DRAINS)
    told = _Told()

    def ready() -> None:
        assert all(supervisor.pids)
        supervisor.tell(KeysChanged(1))
        os.kill(os.getpid(), signal.SIGTERM)

    await asyncio.wait_for(supervisor.run(ready, told.stopping), 60)


async def test_which_policies_each_worker_runs_is_known_and_contents_of_other_ones_reach_all() -> None:
    supervisor = _supervisor(*_READY, ("hear", "PolicyChanged"), ("runs", "3f2a91c"), *_DRAINS)

    def ready() -> None:
        assert supervisor.policies == ("", "")
        supervisor.tell(PolicyChanged({"a.yaml": b"version: 1"}))

    running = asyncio.create_task(supervisor.run(ready, lambda: None))
    async with asyncio.timeout(60):
        while supervisor.policies != ("3f2a91c", "3f2a91c"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, 60)


async def test_a_worker_that_ends_is_replaced_and_the_totals_stay() -> None:
    supervisor = _supervisor(*_READY, ("report", 3), ("die",), workers=1)
    running = asyncio.create_task(_run(supervisor, _Told()))
    async with asyncio.timeout(60):
        while supervisor.tally().counts.get(("served",), 0) < 7:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert supervisor.tally().counts["guard_worker_restarts_total",] >= 1
    os.kill(os.getpid(), signal.SIGTERM)
    await running


async def test_one_that_had_lived_long_enough_is_replaced_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard.app.supervisor, "_YOUNG_S", 0)
    monkeypatch.setattr(guard.app.supervisor, "_PAUSE_S", 1000)
    monkeypatch.setattr(guard.app.supervisor, "_PAUSE_S_MAX", 1000)
    supervisor = _supervisor(*_READY, ("die",), workers=1)
    running = asyncio.create_task(_run(supervisor, _Told()))
    async with asyncio.timeout(30):
        while supervisor.tally().counts["guard_worker_restarts_total",] < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    await running


async def test_what_a_worker_refuses_before_the_first_readiness_is_the_end_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard.app.supervisor, "FAILURES_MAX", 1_000_000)
    with pytest.raises(CannotServe, match="no database"):
        await _run(_supervisor(_TASK, ("refuse", "no database"), ("exit", 1)), _Told())


async def test_workers_that_always_die_young_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard.app.supervisor, "_PAUSE_S", 0.001)
    with pytest.raises(CannotServe, match="5 workers in a row ended young, the last with code 7"):
        await _run(_supervisor(_TASK, ("exit", 7), workers=1), _Told())
    with pytest.raises(CannotServe, match="the last with code -9"):
        await _run(_supervisor(*_READY, ("die",), workers=1), _Told())


async def test_it_does_not_give_up_while_another_worker_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard.app.supervisor, "_PAUSE_S", 0.001)
    supervisor = _supervisor(*_READY, ("die", 1), *_DRAINS)
    running = asyncio.create_task(_run(supervisor, _Told()))
    async with asyncio.timeout(60):
        while supervisor.tally().counts["guard_worker_restarts_total",] < 6 and not running.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    if not running.done():
        os.kill(os.getpid(), signal.SIGTERM)
    await running


async def test_a_worker_that_does_not_drain_in_time_is_killed_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard.app.supervisor, "_MARGIN_S", 0.1)
    with pytest.raises(CannotServe, match="before they had finished"):
        await _run(_supervisor(*_READY, ("hang",), grace_s=0.1), _Told(signal.SIGTERM))


async def test_a_second_signal_ends_all_at_once() -> None:
    with pytest.raises(CannotServe, match="before they had finished"):
        await _run(_supervisor(*_READY, ("hang",)), _Told(signal.SIGTERM, signal.SIGINT))


async def test_a_signal_ends_the_pause_before_the_next_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard.app.supervisor, "_PAUSE_S", 1000)
    monkeypatch.setattr(guard.app.supervisor, "_PAUSE_S_MAX", 1000)
    supervisor = _supervisor(*_READY, ("die",), workers=1)
    running = asyncio.create_task(_run(supervisor, _Told()))
    async with asyncio.timeout(30):
        while supervisor.tally().counts["guard_worker_restarts_total",] < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, 10)
