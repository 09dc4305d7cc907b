"""The store that the settings name."""

from pathlib import Path

import pytest

from guard.app.stores import open_limits
from guard.model.names import UnixMs
from guard.model.questions import Granted
from guard.settings import Settings
from guard.state.faults import StateError
from guard.state.memory import MemoryLimits
from guard.telemetry.meter import Meter
from tests.contract.limit_store import BORN, charge
from tests.server.in_memory import until
from tests.servers.redis import RedisServer


async def test_memory_is_the_default_and_begins_now(tmp_path: Path) -> None:
    async with open_limits(Settings(home=tmp_path), tmp_path / "guard.db", lambda: BORN, Meter(), UnixMs(0)) as store:
        assert isinstance(store, MemoryLimits)
        assert store.born_at == BORN


@pytest.mark.system
async def test_a_redis_is_opened_by_its_url(redis_url: str) -> None:
    meter = Meter()
    settings = Settings(state_url=redis_url, store_ms_max=1000)
    async with open_limits(settings, Path("guard.db"), lambda: BORN, meter) as store:
        assert isinstance(await store.charge(charge("a")), Granted)
    tally = meter.tally()
    assert tally.gauges["guard_store_up", "redis"] == 1
    assert sum(tally.timings["guard_store_op_seconds", "charge", "granted"][:-1]) == 1


@pytest.mark.system
async def test_a_redis_that_does_not_answer_is_told_and_so_is_its_return() -> None:
    meter = Meter()
    up = ("guard_store_up", "redis")
    with RedisServer() as server:
        async with open_limits(Settings(state_url=server.url), Path("guard.db"), lambda: BORN, meter):
            server.kill()
            await until(lambda: meter.tally().gauges[up] == 0)
            server.start()
            await until(lambda: meter.tally().gauges[up] == 1)


@pytest.mark.system
async def test_a_redis_that_evicts_is_refused() -> None:
    with RedisServer({"maxmemory-policy": "allkeys-random"}) as server, pytest.raises(StateError, match="noeviction"):
        async with open_limits(Settings(state_url=server.url), Path("guard.db"), lambda: BORN, Meter()):
            pass


async def test_a_url_that_names_no_server_is_refused() -> None:
    with pytest.raises(StateError, match="GUARD_STATE_URL: a server is host"):
        async with open_limits(Settings(state_url="redis://:pw@"), Path("guard.db"), lambda: BORN, Meter()):
            pass
