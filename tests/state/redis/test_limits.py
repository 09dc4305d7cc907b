"""The store in Redis, opened and closed. What it answers is the contract's (tests/contract/test_redis.py)."""

import asyncio

import pytest

from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.questions import Granted, Unavailable
from guard.state.faults import StateError
from guard.state.redis.limits import open_redis
from tests.contract.limit_store import charge
from tests.ports import free_port
from tests.servers.redis import RedisServer
from tests.servers.redis_sentinel import redis_sentinel

pytestmark = pytest.mark.system


async def test_a_server_that_evicts_is_refused_at_start() -> None:
    with RedisServer({"maxmemory-policy": "allkeys-lru"}) as server, pytest.raises(StateError, match="noeviction"):
        await open_redis(server.url)


async def test_a_server_that_is_not_there_is_waited_for_and_admits_nobody_meanwhile() -> None:
    told: list[str | None] = []
    store = await open_redis(f"redis://127.0.0.1:{free_port()}", tell=told.append)
    assert store.born_at is None
    assert isinstance(await store.charge(charge("a")), Unavailable)
    assert isinstance(await store.repay(charge("a")), Unavailable)
    assert not await store.bury(AccountId("acme"), KeyId("k1"), UnixMs(1))
    await store.refund(charge("a"))
    await store.release(charge("a", hold_ms=1))
    await store.close()
    assert [type(why) for why in told] == [str]


async def test_it_tells_when_the_server_goes_and_when_it_is_back() -> None:
    told: list[str | None] = []
    with RedisServer() as server:
        store = await open_redis(server.url, timeout_ms=500, tell=told.append)
        server.restart()
        async with asyncio.timeout(10):
            while len(told) < 2:  # noqa: ASYNC110  # it is told from another task
                await asyncio.sleep(0.01)
        assert isinstance(told[0], str)
        assert told[1] is None
        await store.close()


async def test_the_master_that_sentinels_promote_is_found_within_three_seconds_and_begins_a_new_epoch() -> None:
    with redis_sentinel() as group:
        store = await open_redis(group.url, timeout_ms=500)
        assert isinstance(await store.charge(charge("a")), Granted)
        born = store.born_at
        group.fail_over()
        async with asyncio.timeout(3):
            while not isinstance(await store.charge(charge("b")), Granted) or store.born_at == born:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert store.born_at is not None
        assert born is not None
        assert store.born_at > born
        await store.close()


_RIGHTS = "on >secret ~guard:* +@read +@write +@scripting +@connection +info +wait"


@pytest.mark.parametrize(("rights", "may"), [(f"{_RIGHTS} +time", True), (_RIGHTS, False)])
async def test_a_user_who_lacks_a_right_that_scripts_need_is_told_and_nobody_waits(rights: str, may: bool) -> None:  # noqa: FBT001
    told: list[str | None] = []
    with RedisServer({"user guard": rights}) as server:
        url = f"redis://guard:secret@127.0.0.1:{server.port}"
        async with asyncio.timeout(5):
            store = await open_redis(url, timeout_ms=1000, tell=told.append)
        try:
            assert (store.born_at is not None) is may
            assert isinstance(await store.charge(charge("a")), Granted if may else Unavailable)
            assert [why for why in told if why is not None and "can't run" in why] == ([] if may else told)
            assert bool(told) is not may
        finally:
            await store.close()
