"""A gateway ends keys that nobody uses, if it is told to."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from structlog.testing import capture_logs

from guard.app.idle_keys import ending_idle_keys
from guard.app.keys import open_vault
from guard.model.names import UnixMs
from guard.settings import Settings
from tests.state.key_records import deed, record

DAY_MS = 86_400_000


async def _states(
    settings: Settings, *ages_days: int, told: int, every_s: float = 3600
) -> tuple[dict[str, str], list[str]]:
    """What becomes of keys of these ages, and what the log says, once it says so many things: in a moment, if none."""
    now = time.time_ns() // 1_000_000
    async with open_vault(settings) as vault:
        keys = [record(f"k{age}", created_at=UnixMs(now - age * DAY_MS)) for age in ages_days]
        await vault.keys.insert(keys, deed())
        with capture_logs() as logs:
            async with ending_idle_keys(settings, every_s=every_s):
                await (_until_told(logs, told) if told else asyncio.sleep(0.3))
        return {key.id: key.state.value for key in await vault.keys.bare_records()}, [log["event"] for log in logs]


async def _until_told(logs: Sequence[object], told: int) -> None:
    async with asyncio.timeout(10):
        while len(logs) < told:  # noqa: ASYNC110  # a log says nothing to who waits
            await asyncio.sleep(0.01)


async def test_keys_that_were_idle_too_long_are_ended_and_it_is_said(tmp_path: Path) -> None:
    states, logs = await _states(Settings(home=tmp_path, keys_idle_days=90), 91, 89, 0, told=1)
    assert states == {"k91": "deactivated", "k89": "active", "k0": "active"}
    assert logs == ["keys.idle_ended"]


async def test_nothing_is_ended_unless_it_is_asked_for(tmp_path: Path) -> None:
    states, logs = await _states(Settings(home=tmp_path), 4000, told=0)
    assert (states, logs) == ({"k4000": "active"}, [])


async def test_a_clock_by_which_nobody_was_there_lately_ends_nothing_and_is_complained_of_each_time(
    tmp_path: Path,
) -> None:
    states, logs = await _states(Settings(home=tmp_path, keys_idle_days=90), 4000, 50, told=2, every_s=0.05)
    assert states == {"k4000": "active", "k50": "active"}
    assert len(logs) > 1
    assert set(logs) == {"keys.idle_not_ended"}
