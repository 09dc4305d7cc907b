"""The store that the settings name."""

from pathlib import Path

import pytest
from msgspec import structs

from guard.app.onward import Misplaced
from guard.app.stores import open_stores, refuse_local_replay
from guard.model.names import UnixMs
from guard.model.policy import Loss, OnLoss
from guard.model.questions import Charge, Granted, Short, Unavailable
from guard.settings import Settings
from guard.state.faults import StateError
from guard.state.memory import MemoryLimits
from guard.state.redis.scores import RedisScores
from guard.telemetry.meter import Meter
from tests.contract.limit_store import BORN, charge, debit
from tests.contract.score_store import points, sighting
from tests.policy_text import loaded, policy
from tests.server.in_memory import until
from tests.servers.redis import RedisServer


async def test_memory_is_the_default_and_begins_now(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    store_of = open_stores(
        settings, tmp_path / "guard.db", lambda: BORN, Meter(), processes=int, filled_since=UnixMs(0)
    )
    async with store_of as stores:
        assert isinstance(stores.limits, MemoryLimits)
        assert stores.limits.born_at == BORN
        assert stores.scores is None


@pytest.mark.system
async def test_a_redis_is_opened_by_its_url(redis_url: str) -> None:
    meter = Meter()
    settings = Settings(state_url=redis_url, store_ms_max=1000)
    async with open_stores(settings, Path("guard.db"), lambda: BORN, meter, processes=int) as stores:
        assert isinstance(await stores.limits.charge(charge("a")), Granted)
        assert isinstance(stores.scores, RedisScores)
    tally = meter.tally()
    assert tally.gauges["guard_store_up", "redis"] == 1
    assert sum(tally.timings["guard_store_op_seconds", "charge", "granted"][:-1]) == 1


@pytest.mark.system
async def test_a_redis_that_does_not_answer_is_told_and_so_is_its_return() -> None:
    meter = Meter()
    up = ("guard_store_up", "redis")
    with RedisServer() as server:
        async with open_stores(Settings(state_url=server.url), Path("guard.db"), lambda: BORN, meter, processes=int):
            server.kill()
            await until(lambda: meter.tally().gauges[up] == 0)
            server.start()
            await until(lambda: meter.tally().gauges[up] == 1)


@pytest.mark.system
async def test_a_redis_that_evicts_is_refused() -> None:
    with RedisServer({"maxmemory-policy": "allkeys-random"}) as server, pytest.raises(StateError, match="noeviction"):
        async with open_stores(Settings(state_url=server.url), Path("guard.db"), lambda: BORN, Meter(), processes=int):
            pass


async def test_a_url_that_names_no_server_is_refused() -> None:
    with pytest.raises(StateError, match="GUARD_STATE_URL: a server is host"):
        async with open_stores(
            Settings(state_url="redis://:pw@"), Path("guard.db"), lambda: BORN, Meter(), processes=int
        ):
            pass


@pytest.mark.system
async def test_a_redis_that_is_lost_is_followed_by_what_the_policy_says() -> None:
    meter = Meter()
    nothing, half, all_of_it = Loss(), Loss(limits=OnLoss.LOCAL, limits_percent=50), Loss(limits=OnLoss.ALLOW)
    with RedisServer() as server:
        settings = Settings(state_url=server.url, store_ms_max=1000)
        async with open_stores(settings, None, lambda: BORN, meter, processes=lambda: 1) as stores:
            store = stores.limits
            await store.charge(_spends("a", half))  # a memory that has just begun has no burst to share out
            server.kill()
            answers = [await store.charge(_spends(f"{loss}", loss)) for loss in (nothing, half, all_of_it)]
    assert [type(answer) for answer in answers] == [Unavailable, Short, Granted]
    assert meter.tally().counts["guard_store_fallback_total", "limits"] == 2


@pytest.mark.system
async def test_what_abuse_counts_while_a_redis_is_lost_is_counted_by_the_process_and_told() -> None:
    meter = Meter()
    with RedisServer() as server:
        settings = Settings(state_url=server.url, store_ms_max=1000)
        async with open_stores(settings, None, lambda: BORN, meter, processes=lambda: 1) as stores:
            assert stores.scores is not None
            assert await points(stores.scores, sighting()) == 20
            server.kill()
            assert [await points(stores.scores, sighting()) for _ in range(3)] == [20, 40, 60]
    assert meter.tally().counts["guard_store_fallback_total", "scores"] == 3


def _spends(name: str, loss: Loss) -> Charge:
    return structs.replace(charge(name, debit(1)), loss=loss)


def test_replay_by_each_process_alone_is_refused_where_state_is_shared() -> None:
    policies = loaded(policy("store: {on_failure: {replay: local}}")).policies
    refuse_local_replay(Settings(), policies)
    with pytest.raises(Misplaced, match=r"p0\.yaml:4: `replay: local`.*write deny \(P408\)"):
        refuse_local_replay(Settings(state_url="redis://127.0.0.1"), policies)
