"""The masters of a Cluster, followed while slots move and masters fail."""

import asyncio
from collections.abc import Callable

import pytest

from guard.model.names import AccountId
from guard.model.questions import BeforeEpoch, Granted, Once, Unavailable
from guard.state.faults import StateError
from guard.state.redis.limits import RedisLimits, open_redis
from guard.state.redis.partitions import PARTITIONS, Partitions
from tests.contract.limit_store import by_address, charge, debit, once
from tests.ports import free_port
from tests.servers.redis_cluster import redis_cluster

pytestmark = pytest.mark.system

ACCOUNT = AccountId("acme")
TAG = Partitions(PARTITIONS).of_account(ACCOUNT).decode()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not holds():  # noqa: ASYNC110  # nobody says when
            await asyncio.sleep(0.02)


def message(store: RedisLimits, number: int) -> Once:
    born = store.born_at
    assert born is not None
    return once(b"%d" % number, signed_at=born + 1_001, forget_after=born + 60_000)


async def test_every_partition_remembers_since_when_it_does_before_anything_is_asked() -> None:
    with redis_cluster() as cluster:
        store = await open_redis(cluster.url, timeout_ms=1_000)
        held = [key for node in cluster.nodes for key in node.held()]
        assert sorted(held) == sorted(f"guard:{{{number}}}epoch" for number in range(PARTITIONS))
        await store.close()


async def test_a_slot_that_has_moved_is_found_and_what_was_signed_before_is_not_judged() -> None:
    with redis_cluster() as cluster:
        store = await open_redis(cluster.url, timeout_ms=2_000)
        first, second = message(store, 1), message(store, 2)
        assert isinstance(await store.charge(charge("a", message=first)), Granted)
        with cluster.migrating(cluster.slot_of(TAG)):
            assert isinstance(await store.charge(charge("b", message=second)), Unavailable)
        assert isinstance(await store.charge(charge("c", message=first)), BeforeEpoch)
        assert isinstance(await store.charge(charge("d", message=message(store, 3))), Granted)
        await store.close()


async def test_a_master_that_fails_takes_only_its_own_partitions_with_it() -> None:
    with redis_cluster({"cluster-require-full-coverage": "no"}) as cluster:
        store = await open_redis(cluster.url, timeout_ms=300)
        cluster.holder_of(cluster.slot_of(TAG)).server.kill()
        await until(lambda: isinstance(store.ask(charge("a")), Unavailable))
        others = [await store.charge(charge(f"b{number}", account=f"account{number}")) for number in range(30)]
        assert sum(isinstance(other, Granted) for other in others) >= 10
        await store.close()


async def test_what_is_granted_by_one_server_while_another_says_no_is_given_back() -> None:
    with redis_cluster() as cluster:
        store = await open_redis(cluster.url, timeout_ms=2_000)
        await asyncio.sleep(1.1)
        none_left = debit(4, by_address(3, "route"), ("exchange", "route", "route", "POST /v1/orders"))
        mine = debit(1, bucket=("exchange", "key", "key", "k1"))
        assert not isinstance(await store.charge(charge("a", mine, none_left)), Granted)
        assert isinstance(await store.charge(charge("b", mine)), Granted)
        await store.close()


async def test_a_cluster_that_is_not_there_admits_nobody_and_is_found_when_it_comes() -> None:
    port = free_port()
    store = await open_redis(f"redis+cluster://127.0.0.1:{port}")
    assert store.born_at is None
    assert isinstance(await store.charge(charge("a")), Unavailable)
    await store.refund(charge("a"))
    await store.close()


async def test_a_cluster_that_evicts_is_refused_at_start() -> None:
    with redis_cluster({"maxmemory-policy": "allkeys-lru"}) as cluster, pytest.raises(StateError, match="noeviction"):
        await open_redis(cluster.url)
