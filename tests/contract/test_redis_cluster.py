"""The stores on a Redis Cluster of three masters hold the contracts."""

from collections.abc import AsyncIterator, Iterator

import pytest

from guard.model.names import UnixMs
from guard.state.protocols import LimitStore, ScoreStore
from tests.contract.calendar_quota import CalendarContract
from tests.contract.limit_store import BORN, LimitStoreContract
from tests.contract.repay import RepayContract
from tests.contract.reserve import ReserveContract
from tests.contract.score_store import ScoreStoreContract
from tests.contract.settle import SettleContract
from tests.contract.slots import SlotsContract
from tests.servers.redis_cluster import RedisCluster, redis_cluster
from tests.state.redis.timed import TimedRedis, TimedScores

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with redis_cluster() as servers:
        yield servers


class TestRedisCluster(
    LimitStoreContract, CalendarContract, SlotsContract, RepayContract, ReserveContract, SettleContract
):
    @pytest.fixture(autouse=True)
    async def _closing(self, cluster: RedisCluster) -> AsyncIterator[None]:
        self.cluster = cluster
        self.opened: list[TimedRedis] = []
        yield
        for store in self.opened:
            await store.close()

    async def open(self, born_at: UnixMs = BORN) -> LimitStore:
        for node in self.cluster.nodes:
            node.server.ask("FLUSHALL")
        store = await TimedRedis.open(self.cluster.url, born_at)
        self.opened.append(store)
        return store


class TestRedisClusterScores(ScoreStoreContract):
    @pytest.fixture
    async def scores(self, cluster: RedisCluster) -> AsyncIterator[ScoreStore]:
        for node in cluster.nodes:
            node.server.ask("FLUSHALL")
        store = await TimedScores.open(cluster.url)
        yield store
        assert store.lost == 0
        await store.close()
