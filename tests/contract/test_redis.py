"""The stores in Redis hold the contracts, on a real server whose clock says what each charge or sighting says."""

from collections.abc import AsyncIterator

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
from tests.state.redis.timed import TimedRedis, TimedScores, flushed

pytestmark = pytest.mark.system


class TestRedis(LimitStoreContract, CalendarContract, SlotsContract, RepayContract, ReserveContract, SettleContract):
    @pytest.fixture(autouse=True)
    async def _closing(self, redis_url: str) -> AsyncIterator[None]:
        self.url = redis_url
        self.opened: list[TimedRedis] = []
        yield
        for store in self.opened:
            await store.close()

    async def open(self, born_at: UnixMs = BORN) -> LimitStore:
        store = await TimedRedis.open(flushed(self.url), born_at)
        self.opened.append(store)
        return store


class TestRedisScores(ScoreStoreContract):
    @pytest.fixture
    async def scores(self, redis_url: str) -> AsyncIterator[ScoreStore]:
        store = await TimedScores.open(flushed(redis_url))
        yield store
        assert store.lost == 0
        await store.close()
