"""One place: a worker's life, what is known of it meanwhile, and what stays of it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

import guard.app.place
from guard.app.link import KeysChanged, Task
from guard.app.place import Life, Place

_SCRIPTED = Path(__file__).with_name("scripted_worker.py")
_TASK = ("hear", "Task")


class _Watched(Place):
    """A place with a scripted worker, whose changes can be waited for."""

    def __init__(self, *steps: tuple[Any, ...]) -> None:
        self.event = asyncio.Event()
        self.script = msgspec.json.encode(steps).decode()
        null = os.open(os.devnull, os.O_RDONLY)
        super().__init__((sys.executable, str(_SCRIPTED), self.script), Task(b"", 1, null, null), self.event.set)

    async def changed(self) -> None:
        self.event.clear()
        await asyncio.wait_for(self.event.wait(), 30)


@asynccontextmanager
async def _living(place: _Watched) -> AsyncIterator[asyncio.Task[Life]]:
    life = asyncio.create_task(place.live())
    await place.changed()
    yield life
    await asyncio.wait_for(life, 30)


async def test_a_worker_is_known_by_what_it_reports_until_it_has_ended() -> None:
    place = _Watched(_TASK, ("report", 0, "keys"), ("report", 5), ("hear", "KeysChanged"), ("report", 7), ("exit", 3))
    assert place.number == 2
    seen = [(place.pid, place.waiting_for)]
    async with _living(place) as life:
        assert place.pid is not None
        while place.waiting_for:
            await place.changed()
        assert place.tally().counts == {("served",): 5}
        place.tell(KeysChanged(1))
    ended = life.result()
    assert (ended.ready, ended.code, ended.refusal) == (True, 3, None)
    assert ended.lasted_s > 0
    seen.append((place.pid, place.waiting_for))
    assert seen == [(None, ("starting",))] * 2
    assert place.tally().counts == {("served",): 7}, "what it counted stays"


async def test_the_next_worker_adds_to_what_the_earlier_ones_counted() -> None:
    place = _Watched(_TASK, ("report", 2), ("die",))
    codes = [(await asyncio.wait_for(place.live(), 30)).code for _ in range(2)]
    assert codes == [-9, -9]
    assert place.tally().counts == {("served",): 4}


async def test_what_is_degraded_is_known_until_the_worker_has_ended() -> None:
    place = _Watched(_TASK, ("degraded", "keys: old"), ("hear", "KeysChanged"), ("exit", 0))
    async with _living(place):
        while not place.degraded:
            await place.changed()
        seen = place.degraded
        place.tell(KeysChanged(1))
    assert (seen, place.degraded) == (("keys: old",), ())


async def test_the_next_worker_is_told_what_is_to_be_served_by_then() -> None:
    place = _Watched(("hear", "Task", "other policies"), ("exit", 3))
    place.renew(b"other policies")
    assert (await asyncio.wait_for(place.live(), 30)).code == 3


async def test_what_it_refuses_is_told_and_it_was_never_ready() -> None:
    life = await asyncio.wait_for(_Watched(_TASK, ("refuse", "no database"), ("exit", 1)).live(), 30)
    assert (life.ready, life.code, life.refusal) == (False, 1, "no database")


async def test_one_that_cannot_be_started_refuses() -> None:
    place = _Watched()
    place._command = ("/nonexistent/python",)
    life = await place.live()
    assert life.refusal is not None
    assert "No such file" in life.refusal


async def test_one_that_speaks_nonsense_or_has_closed_its_link_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard.app.place, "_END_S", 0.1)
    life = await asyncio.wait_for(_Watched(_TASK, ("report", 1), ("babble",), ("hang",)).live(), 30)
    assert (life.ready, life.code) == (True, -9)


async def test_one_that_is_silent_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    place = _Watched(_TASK, ("report", 1), ("hang",))
    async with _living(place):
        seen = [place.waiting_for]
        monkeypatch.setattr(guard.app.place, "SILENT_S", 0)
        seen.append(place.waiting_for)
        place.kill()
    assert seen == [(), ("does not answer",)]
    place.kill()


async def test_it_is_told_to_drain_also_while_it_is_just_starting() -> None:
    early = _Watched(_TASK, ("hear", "Drain"), ("exit", 0))
    early.drain()
    assert (await asyncio.wait_for(early.live(), 30)).code == 0
    late = _Watched(_TASK, ("report", 1), ("hear", "Drain"), ("exit", 0))
    async with _living(late) as life:
        late.drain()
    assert life.result().code == 0
