"""A shared store whose answers are timed: from asking, when a charge is enqueued, to the answer or to giving up."""

import time
from asyncio import Future
from typing import Final

from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.questions import BeforeEpoch, Charge, Granted, Receipt, Replayed, Revoked, Short, Unavailable
from guard.state.protocols import LimitStore, StoreMeter

_OUTCOMES: Final[dict[type, str]] = {
    Granted: "granted",
    Short: "short",
    Replayed: "replayed",
    BeforeEpoch: "before_epoch",
    Revoked: "revoked",
    Unavailable: "unavailable",
}


class MeteredLimits(LimitStore):
    """The same store, and `meter` told of each question that waits for an answer or gets none.

    What is given back is not awaited, and not timed.
    """

    def __init__(self, store: LimitStore, meter: StoreMeter) -> None:
        self._store = store
        self._meter = meter

    @property
    def born_at(self) -> UnixMs | None:
        """See `LimitStore.born_at`."""
        return self._store.born_at

    def ask(self, charge: Charge) -> "Receipt | Future[Receipt]":
        """See `LimitStore.ask`."""
        answer = self._store.ask(charge)
        if isinstance(answer, Future):
            answer.add_done_callback(_Asked(self._meter))
        elif isinstance(answer, Unavailable):
            self._meter.store_op("charge", "unavailable", 0)
        return answer

    async def charge(self, charge: Charge) -> Receipt:
        """See `LimitStore.charge`."""
        answer = self.ask(charge)
        return await answer if isinstance(answer, Future) else answer

    async def repay(self, charge: Charge) -> Receipt:
        """See `LimitStore.repay`."""
        asked_ns = time.perf_counter_ns()
        receipt = await self._store.repay(charge)
        self._tell("repay", _OUTCOMES[type(receipt)], asked_ns)
        return receipt

    async def refund(self, charge: Charge) -> None:
        """See `LimitStore.refund`."""
        await self._store.refund(charge)

    async def settle(self, charge: Charge, costs: tuple[int, ...]) -> None:
        """See `LimitStore.settle`."""
        await self._store.settle(charge, costs)

    async def release(self, charge: Charge) -> None:
        """See `LimitStore.release`."""
        await self._store.release(charge)

    async def bury(self, account: AccountId, key_id: KeyId, until: UnixMs) -> bool:
        """See `LimitStore.bury`."""
        asked_ns = time.perf_counter_ns()
        stands = await self._store.bury(account, key_id, until)
        self._tell("bury", "granted" if stands else "unavailable", asked_ns)
        return stands

    def _tell(self, op: str, outcome: str, asked_ns: int) -> None:
        self._meter.store_op(op, outcome, (time.perf_counter_ns() - asked_ns) // 1000)


class _Asked:
    """One question that is waited for: called when it is answered, or when nobody waits for it any more."""

    __slots__ = ("_asked_ns", "_meter")

    def __init__(self, meter: StoreMeter) -> None:
        self._meter = meter
        self._asked_ns = time.perf_counter_ns()

    def __call__(self, answer: "Future[Receipt]") -> None:
        outcome = "abandoned" if answer.cancelled() else _OUTCOMES[type(answer.result())]
        self._meter.store_op("charge", outcome, (time.perf_counter_ns() - self._asked_ns) // 1000)
