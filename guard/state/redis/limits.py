"""Nonces, meters and tombstones in Redis: the store that many gateways share. See `LimitStore`.

What a charge asks goes to the server that holds its account's partition, or, where it has no account, that of the first
meter that it takes from. Every rule about storing is in `lua/`; waiting, failing and batching is `shard.py`'s.
"""

from asyncio import Future
from collections.abc import Callable

from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.questions import Charge, Receipt
from guard.state.faults import StateError
from guard.state.protocols import LimitStore
from guard.state.redis.address import Kind, RedisAddress, redis_address
from guard.state.redis.origin import OneServer, Origin, SentinelMaster
from guard.state.redis.shard import Shard

_CONNECT_S = 1.0
_TAG = b"{0}"


class RedisLimits(LimitStore):
    """The store at one server: that was named, or that Sentinels call the master."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard

    @property
    def born_at(self) -> UnixMs | None:
        """When the memory of the server begins that answered last; None while none has."""
        return self._shard.born_at

    def ask(self, charge: Charge) -> "Receipt | Future[Receipt]":
        """Ask and spend. See `LimitStore.ask`."""
        return self._shard.ask(_TAG, charge)

    async def charge(self, charge: Charge) -> Receipt:
        """Ask and spend. See `LimitStore.charge`."""
        answer = self.ask(charge)
        return await answer if isinstance(answer, Future) else answer

    async def repay(self, charge: Charge) -> Receipt:
        """Take what was spent while nobody could be asked. See `LimitStore.repay`."""
        answer = self._shard.ask(_TAG, charge, repaid=True)
        return await answer if isinstance(answer, Future) else answer

    async def refund(self, charge: Charge) -> None:
        """Give the tokens back, and the slots, in the next flush."""
        self._shard.give_back(_TAG, charge, tokens=True)

    async def release(self, charge: Charge) -> None:
        """Give the slots back, in the next flush."""
        if charge.hold_ms:
            self._shard.give_back(_TAG, charge, tokens=False)

    async def bury(self, account: AccountId, key_id: KeyId, until: UnixMs) -> bool:
        """Grant no charge of this key until then. See `LimitStore.bury`."""
        return await self._shard.bury(_TAG, account, key_id, until)

    async def close(self) -> None:
        """Send what is to be given back, and end."""
        await self._shard.close()


async def open_redis(
    url: str,
    *,
    timeout_ms: int = 20,
    clock: Callable[[], UnixMs] | None = None,
    tell: Callable[[str | None], None] = lambda _: None,
) -> RedisLimits:
    """The store, connected if the server answers; if not, it goes on trying. Raises StateError if it must not be used.

    `timeout_ms` is how long a question may take. `clock` replaces the server's in tests. `tell` hears why the server
    cannot be asked, and None when it can again.
    """
    try:
        address = redis_address(url)
    except ValueError as error:
        raise StateError(f"GUARD_STATE_URL: {error}") from None
    shard = Shard(_origin(address), lambda: (_TAG,), timeout_s=timeout_ms / 1000, clock=clock, tell=tell)
    try:
        await shard.opened()
    except BaseException:
        await shard.close()
        raise
    return RedisLimits(shard)


def _origin(address: RedisAddress) -> Origin:
    if address.kind is Kind.SENTINEL:
        return SentinelMaster(address, _CONNECT_S)
    return OneServer(address, _CONNECT_S)
