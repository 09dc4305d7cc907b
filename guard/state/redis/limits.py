"""Nonces, meters and tombstones in Redis: the store that many gateways share. See `LimitStore`.

What a charge asks goes to the server that holds its account's partition, or, where it has no account, that of the first
meter that it takes from. Every rule about storing is in `lua/`; waiting, failing and batching is `shard.py`'s.
"""

import asyncio
from asyncio import Future
from collections.abc import Callable, Iterable

from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.questions import Charge, Granted, Receipt, Unavailable
from guard.state.faults import StateError
from guard.state.protocols import LimitStore, ScoreStore
from guard.state.redis.address import Kind, RedisAddress, redis_address
from guard.state.redis.origin import OneServer, Origin, SentinelMaster
from guard.state.redis.partitions import ONE, PARTITIONS, Part, Partitions, whole
from guard.state.redis.scores import RedisScores
from guard.state.redis.servers import CONNECT_S, ClusterShards, OneShard, Servers
from guard.state.redis.shard import ReadsClock, Shard

_NOWHERE = Unavailable("redis: no server holds the slot")


class RedisLimits(LimitStore):
    """The store at `servers`. `partitions` is None where one server holds everything."""

    def __init__(self, servers: Servers, partitions: Partitions | None = None) -> None:
        self._servers = servers
        self._partitions = partitions

    @property
    def born_at(self) -> UnixMs | None:
        """When the youngest memory of its servers begins; None while one has not answered yet."""
        return self._servers.born_at

    def ask(self, charge: Charge) -> "Receipt | Future[Receipt]":
        """Ask and spend. See `LimitStore.ask`."""
        return self._ask(charge)

    async def charge(self, charge: Charge) -> Receipt:
        """Ask and spend. See `LimitStore.charge`."""
        answer = self._ask(charge)
        return await answer if isinstance(answer, Future) else answer

    async def repay(self, charge: Charge) -> Receipt:
        """Take what was spent while nobody could be asked. See `LimitStore.repay`."""
        answer = self._ask(charge, repaid=True)
        return await answer if isinstance(answer, Future) else answer

    async def refund(self, charge: Charge) -> None:
        """Give the tokens back, and the slots, in the next flush."""
        for part in self._parts(charge):
            self._give_back(part, tokens=True)

    async def settle(self, charge: Charge, costs: tuple[int, ...]) -> None:
        """Give back the difference, or take it, and give the slots back, in the next flush."""
        await self.refund(charge.overpaid(costs))

    async def release(self, charge: Charge) -> None:
        """Give the slots back, in the next flush."""
        if charge.hold_ms:
            for part in self._parts(charge):
                self._give_back(part, tokens=False)

    async def bury(self, account: AccountId, key_id: KeyId, until: UnixMs) -> bool:
        """Grant no charge of this key until then. See `LimitStore.bury`."""
        tag = ONE if self._partitions is None else self._partitions.of_account(account)
        shard = self._servers.holder(tag)
        return shard is not None and await shard.bury(tag, account, key_id, until)

    def scores(self, alone: ScoreStore, *, heard: Callable[[], object]) -> RedisScores:
        """Scores at the same servers, over the same connections. See `RedisScores`."""
        return RedisScores(self._servers, self._partitions, alone, heard=heard)

    async def close(self) -> None:
        """Send what is to be given back, and end."""
        await self._servers.close()

    def _parts(self, charge: Charge) -> tuple[Part, ...]:
        return (Part(ONE, charge, ()),) if self._partitions is None else self._partitions.parts(charge)

    def _ask(self, charge: Charge, *, repaid: bool = False) -> "Receipt | Future[Receipt]":
        parts = self._parts(charge)
        if len(parts) == 1:
            return self._ask_part(parts[0], repaid=repaid)
        answers = [self._ask_part(part, repaid=repaid) for part in parts]
        return asyncio.ensure_future(self._together(charge, parts, answers))

    def _ask_part(self, part: Part, *, repaid: bool) -> "Receipt | Future[Receipt]":
        shard = self._servers.holder(part.tag)
        return _NOWHERE if shard is None else shard.ask(part.tag, part.charge, repaid=repaid)

    async def _together(
        self, charge: Charge, parts: tuple[Part, ...], answers: "list[Receipt | Future[Receipt]]"
    ) -> Receipt:
        receipts = [await answer if isinstance(answer, Future) else answer for answer in answers]
        receipt = whole(charge, parts, receipts)
        if not isinstance(receipt, Granted):
            for part, granted in zip(parts, receipts, strict=True):
                if isinstance(granted, Granted):
                    self._give_back(part, tokens=True)
        return receipt

    def _give_back(self, part: Part, *, tokens: bool) -> None:
        shard = self._servers.holder(part.tag)
        if shard is not None:
            shard.give_back(part.tag, part.charge, tokens=tokens)


async def open_redis(
    url: str,
    *,
    timeout_ms: int = 20,
    clock: Callable[[], UnixMs] | None = None,
    reads_clock: ReadsClock | None = None,
    tell: Callable[[str | None], None] = lambda _: None,
) -> RedisLimits:
    """The store, connected if its servers answer; if not, it goes on trying. Raises StateError if it must not be used.

    `timeout_ms` is how long a question may take. `clock` replaces the servers' in tests; `reads_clock`
    is called when one is asked each second. `tell` hears why a server
    cannot be asked, and None when it can again.
    """
    try:
        address = redis_address(url)
    except ValueError as error:
        raise StateError(f"GUARD_STATE_URL: {error}") from None

    def shard(origin: Origin, tags: Callable[[], Iterable[bytes]], moved: Callable[..., None] | None = None) -> Shard:
        timeout_s = timeout_ms / 1000
        return Shard(origin, tags, timeout_s=timeout_s, clock=clock, reads_clock=reads_clock, tell=tell, moved=moved)

    if address.kind is Kind.CLUSTER:
        return await _opened_cluster(address, shard)
    one = shard(_origin(address), lambda: (ONE,))
    try:
        await one.opened()
    except BaseException:
        await one.close()
        raise
    return RedisLimits(OneShard(one))


async def _opened_cluster(address: RedisAddress, shard: Callable[..., Shard]) -> RedisLimits:
    partitions = Partitions(PARTITIONS)
    servers = ClusterShards(address, partitions.tags, lambda origin, tags: shard(origin, tags, servers.moved))
    try:
        await servers.opened()
    except BaseException:
        await servers.close()
        raise
    return RedisLimits(servers, partitions)


def _origin(address: RedisAddress) -> Origin:
    if address.kind is Kind.SENTINEL:
        return SentinelMaster(address, CONNECT_S)
    return OneServer(address, CONNECT_S)
