"""The stopwatch: own time only, and no time while a coroutine waits."""

import asyncio
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from loadtests.bench import timed
from loadtests.bench.timed import STAGES, Stopwatch, Timing, Toll, place, tolls


def _clock(*at_ns: int) -> Iterator[int]:
    yield from at_ns


def _watch(*at_ns: int, call: Toll = Toll(), coroutine: Toll = Toll()) -> Stopwatch:  # noqa: B008  # a frozen value
    ticks = _clock(*at_ns)
    return Stopwatch(lambda: next(ticks), call, coroutine)


def test_a_stage_is_not_charged_what_it_calls() -> None:
    """Outer from 0 to 100, inner from 30 to 70 of it."""
    watch = _watch(0, 30, 70, 100)
    inner = watch.around("inner", lambda: "value")
    outer = watch.around("outer", inner)
    assert outer() == "value"
    assert watch.timings() == {"inner": Timing(1, 40.0), "outer": Timing(1, 60.0)}


def test_the_toll_is_taken_off_both_sides() -> None:
    watch = _watch(0, 30, 70, 100, call=Toll(inside_ns=5, outside_ns=7))
    inner = watch.around("inner", lambda: None)
    watch.around("outer", inner)()
    assert watch.timings() == {"inner": Timing(1, 35.0), "outer": Timing(1, 48.0)}


def test_a_coroutine_is_timed_only_while_it_runs() -> None:
    """It runs from 0 to 10, waits until 1000, and runs to 1005."""
    watch = _watch(0, 10, 1000, 1005)

    async def waits() -> str:
        await asyncio.sleep(0)
        return "value"

    assert asyncio.run(watch.around("stage", waits)()) == "value"
    assert watch.timings() == {"stage": Timing(1, 15.0)}


def test_a_fault_is_passed_on_and_timed() -> None:
    watch = _watch(0, 10, 20, 25, 40, 50)

    def fails() -> None:
        raise ValueError("its own")

    async def caught() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "cancelled"
        return ""

    async def cancel() -> str:
        task: asyncio.Task[str] = asyncio.create_task(watch.around("coroutine", caught)())
        await asyncio.sleep(0)
        task.cancel()
        return await task

    with pytest.raises(ValueError, match="its own"):
        watch.around("call", fails)()
    assert asyncio.run(cancel()) == "cancelled"
    assert watch.timings() == {"call": Timing(1, 10.0), "coroutine": Timing(1, 15.0)}


def test_the_slowest_hundredth_is_left_out() -> None:
    watch = _watch(*(at for number in range(100) for at in (number * 1000, number * 1000 + (500 if number else 999))))
    stage = watch.around("stage", lambda: None)
    for _ in range(100):
        stage()
    assert watch.timings() == {"stage": Timing(100, 500.0)}


def test_the_tolls_are_what_the_watch_adds_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that moves one nanosecond at each reading: one reading inside a call, one outside."""
    monkeypatch.setattr(timed, "perf_counter_ns", count().__next__)
    assert tolls() == (Toll(1, 1), Toll(1, 1))


@pytest.mark.parametrize(("stage", "name"), STAGES)
def test_every_stage_of_the_table_is_there(stage: str, name: str) -> None:
    holder, last = place(name)
    assert callable(getattr(holder, last)), stage


def test_a_name_that_is_gone_is_an_error() -> None:
    with pytest.raises(AttributeError):
        place("guard.core.decide:guess")


def test_figures_are_written_however_guard_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends() -> None:
        raise SystemExit(0)

    file = tmp_path / "stages.json"
    monkeypatch.setattr(timed, "STAGES", ())
    monkeypatch.setattr(timed, "guard", ends)
    monkeypatch.setattr("sys.argv", ["timed", str(file), "serve"])
    with pytest.raises(SystemExit):
        timed.main()
    assert json.loads(file.read_text()) == {}
