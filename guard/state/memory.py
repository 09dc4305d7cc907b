"""Nonces and meters in the memory of one process. Not shared: several processes need several answers.

Why it is right: a charge runs from its first line to its last without an `await`, so no other charge can come between
the question and the spending. Time is the charge's own `now`, never backwards. What is forgotten can no longer matter:
an identity when no message that carries it can pass a window any more, a meter when it is as if it were new. A full
table fails closed: what would need a new entry is `Unavailable`, what is already there goes on. A lease may go on after
its receipt is forgotten: it belongs to the charge's id, and ends by itself.
"""

from collections import deque

from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.questions import Charge, Granted, Once, Receipt, Revoked, Short, Unavailable
from guard.state.meters import Meters
from guard.state.nonces import Identity, Nonces
from guard.state.protocols import LimitStore

_FULL = Unavailable("memory full")


class MemoryLimits(LimitStore):
    """The store of one process, remembering from `born_at` on.

    `identities_max` and `meters_max` bound what is remembered; beyond either, a charge that needs one more entry is
    `Unavailable("memory full")` and takes nothing. The last `receipts_max` receipts can be asked for again and
    refunded; after that a repeated question is a replay or a new charge, and a refund gives nothing: it errs towards
    refusing. `filled_since` is when meters began to fill, if that is not `born_at`: the first start of all may grant
    full bursts.
    """

    __slots__ = ("_born_at", "_buried", "_meters", "_meters_max", "_nonces", "_now", "_receipts")

    def __init__(
        self,
        born_at: UnixMs,
        *,
        filled_since: UnixMs | None = None,
        identities_max: int = 2_000_000,
        meters_max: int = 500_000,
        receipts_max: int = 65_536,
    ) -> None:
        self._born_at = born_at
        self._now = born_at
        self._meters_max = meters_max
        self._nonces = Nonces(born_at, identities_max)
        self._meters = Meters(born_at if filled_since is None else filled_since)
        self._receipts = _Receipts(receipts_max)
        self._buried: dict[tuple[AccountId, KeyId], UnixMs] = {}

    @property
    def born_at(self) -> UnixMs:
        """When this store's memory begins."""
        return self._born_at

    @property
    def remembered(self) -> tuple[int, int]:
        """How many identities and meters are held now."""
        return len(self._nonces), len(self._meters)

    async def charge(self, charge: Charge) -> Receipt:
        """Ask and spend. See `LimitStore.charge`."""
        return self.ask(charge)

    def ask(self, charge: Charge) -> Receipt:
        """Ask and spend, in one step. See `LimitStore.ask`."""
        if charge.now > self._now:  # knockout: time_moves_on  # noqa: PLR1730
            self._now = charge.now
        now = self._now
        self._nonces.sweep(now, 2)  # twice as fast as charges can add, so that memory follows what is alive
        self._meters.sweep(now, 2 * len(charge.debits))
        if self._buried and self._is_buried(charge, now):  # knockout: buried
            return Revoked(now)
        once = charge.once
        identity = None if once is None else once.identity
        receipt = self._receipts.find(charge.id, identity)
        if receipt is not None:  # knockout: asked_again
            return receipt
        fresh: Once | None = None
        if once is not None:
            refusal = self._nonces.refusal(once, now)
            if refusal is not None:
                return refusal
            fresh = once if self._nonces.is_new(once, now) else None
        if not self._has_room(charge, new=fresh is not None):  # knockout: memory_full
            return _FULL
        answer = self._meters.take(charge, now)
        if fresh is not None and (fresh.burns or isinstance(answer, Granted)):  # knockout: granted_or_burnt_is_seen
            self._nonces.remember(fresh, now)
        self._receipts.keep(charge.id, identity, answer)
        return answer

    async def repay(self, charge: Charge) -> Receipt:
        """Take what there is of each debit, and remember the message. See `LimitStore.repay`."""
        now = self._now = max(self._now, charge.now)
        once = charge.once
        identity = None if once is None else once.identity
        receipt = self._receipts.find(charge.id, identity)
        if receipt is not None:  # knockout: repaid_once
            return receipt
        if not self._has_room(charge, new=once is not None):
            return _FULL
        answer = self._meters.collect(charge, now)
        if once is not None:
            self._nonces.remember(once, now)
        self._receipts.keep(charge.id, identity, answer)
        return answer

    async def refund(self, charge: Charge) -> None:
        """Give the tokens of a granted charge back, at most once, and its slots. What it made seen stays seen."""
        identity = None if charge.once is None else charge.once.identity
        receipt = self._receipts.refundable(charge.id, identity)
        if receipt is not None:
            self._meters.give_back(charge, receipt, self._now)
        self._meters.release(charge)

    async def settle(self, charge: Charge, costs: tuple[int, ...]) -> None:
        """Give back what was paid too much, or take what was paid too little. See `LimitStore.settle`."""
        await self.refund(charge.overpaid(costs))

    async def release(self, charge: Charge) -> None:
        """End the leases that the charge's id holds."""
        self._meters.release(charge)

    async def bury(self, account: AccountId, key_id: KeyId, until: UnixMs) -> bool:
        """Grant no charge of this key until then. A later end stands."""
        buried = {grave: end for grave, end in self._buried.items() if self._now < end}
        buried[account, key_id] = max(until, buried.get((account, key_id), until))
        self._buried = buried
        return True

    def _is_buried(self, charge: Charge, now: UnixMs) -> bool:
        if charge.account is None or charge.key_id is None:
            return False
        return now < self._buried.get((charge.account, charge.key_id), 0)

    def _has_room(self, charge: Charge, *, new: bool) -> bool:
        if new and self._nonces.full:  # knockout: identities_max
            return False
        if len(self._meters) + len(charge.debits) > self._meters_max:  # knockout: meters_max
            return len(self._meters) + self._meters.missing(charge.debits) <= self._meters_max
        return True


class _Receipts:
    """The last receipts by charge id, each with the identity that it was given to, and which were refunded."""

    __slots__ = ("_by_id", "_most", "_order", "_refunded")

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_id: dict[str, tuple[Identity | None, Granted | Short]] = {}
        self._order: deque[str] = deque()
        self._refunded: set[str] = set()

    def find(self, charge_id: str, identity: Identity | None) -> Granted | Short | None:
        kept = self._by_id.get(charge_id)
        if kept is None:
            return None
        if kept[0] != identity:  # knockout: receipt_is_for_its_identity
            return None
        return kept[1]

    def refundable(self, charge_id: str, identity: Identity | None) -> Granted | None:
        receipt = self.find(charge_id, identity)
        if not isinstance(receipt, Granted):  # knockout: refund_of_a_grant
            return None
        if charge_id in self._refunded:  # knockout: refund_once
            return None
        self._refunded.add(charge_id)
        return receipt

    def keep(self, charge_id: str, identity: Identity | None, receipt: Granted | Short) -> None:
        if charge_id not in self._by_id:
            self._order.append(charge_id)
        self._by_id[charge_id] = (identity, receipt)
        if len(self._order) > self._most:  # knockout: receipts_max
            oldest = self._order.popleft()
            del self._by_id[oldest]
            self._refunded.discard(oldest)
