"""The stores in Redis with the clock of those who ask: what a test says it is, it is."""

import asyncio
from asyncio import Future
from typing import Self
from urllib.parse import urlsplit

from guard.model.abuse import Raised, Sighting, SubjectKind
from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.questions import Charge, Receipt
from guard.state.protocols import LimitStore, ScoreStore
from guard.state.redis.limits import RedisLimits, open_redis
from guard.state.redis.scores import RedisScores
from guard.state.scores import MemoryScores
from tests.servers.resp import RedisClient


class TimedRedis(LimitStore):
    """Each charge is judged at its own `now`, and what is given back is given at that of the last one, though it rides
    in the next flush. Its memory begins at `born_at`.
    """

    def __init__(self, born_at: UnixMs) -> None:
        self.now = born_at
        self.store: RedisLimits

    @classmethod
    async def open(cls, url: str, born_at: UnixMs) -> Self:
        timed = cls(born_at)
        timed.store = await open_redis(url, timeout_ms=5_000, clock=lambda: timed.now)
        return timed

    @property
    def born_at(self) -> UnixMs | None:
        return self.store.born_at

    def ask(self, charge: Charge) -> "Receipt | Future[Receipt]":
        self.now = charge.now
        return self.store.ask(charge)

    async def charge(self, charge: Charge) -> Receipt:
        self.now = charge.now
        return await self.store.charge(charge)

    async def repay(self, charge: Charge) -> Receipt:
        self.now = charge.now
        return await self.store.repay(charge)

    async def refund(self, charge: Charge) -> None:
        await self.store.refund(charge)
        await asyncio.sleep(0)

    async def settle(self, charge: Charge, costs: tuple[int, ...]) -> None:
        await self.store.settle(charge, costs)
        await asyncio.sleep(0)

    async def release(self, charge: Charge) -> None:
        await self.store.release(charge)
        await asyncio.sleep(0)

    async def bury(self, account: AccountId, key_id: KeyId, until: UnixMs) -> bool:
        return await self.store.bury(account, key_id, until)

    async def close(self) -> None:
        await self.store.close()


class TimedScores(ScoreStore):
    """Each batch of sightings is counted at its own `now`. With `room` for so many addresses of their own."""

    def __init__(self) -> None:
        self.now = UnixMs(0)
        self.lost = 0
        self.limits: RedisLimits
        self.store: RedisScores

    @classmethod
    async def open(cls, url: str, room: int = 0, alone: ScoreStore | None = None) -> Self:
        timed = cls()
        timed.limits = await open_redis(url, timeout_ms=5_000, clock=lambda: timed.now)
        timed.store = timed.limits.scores(alone or MemoryScores(), heard=timed._heard)
        if room:
            timed.store._room = room
        return timed

    async def score(self, sightings: tuple[Sighting, ...], now: UnixMs) -> tuple[Raised, ...]:
        self.now = now
        return await self.store.score(sightings, now)

    async def forget(self, kind: SubjectKind, name: str, before: UnixMs) -> bool:
        return await self.store.forget(kind, name, before)

    async def close(self) -> None:
        await self.limits.close()

    def _heard(self) -> None:
        self.lost += 1


def flushed(url: str) -> str:
    """The same URL, when its server has forgotten everything."""
    with client(url) as asking:
        asking.ask("FLUSHALL")
    return url


def client(url: str) -> RedisClient:
    """A connection of one's own."""
    return RedisClient(urlsplit(url).port or 6379)
