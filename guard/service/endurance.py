"""The shared store, and what goes on while it does not answer: asked first of all for each charge; where it is
Unavailable, the policy's own word (`core/loss.py`) decides what this process may answer by itself (`state/share.py`).

What was granted so is told to the store as soon as it answers again. Until it has been, this process itself refuses
to let those messages pass twice.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final

from guard.core.loss import alternative
from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.policy import OnLoss
from guard.model.questions import Charge, Receipt, Replayed, Unavailable
from guard.service.at_once import at_once
from guard.state.protocols import LimitStore
from guard.state.share import LocalShare

_AT_ONCE: Final = 64


class Endurance(LimitStore):
    """See the module. `processes` says how many live processes share the store, as far as this one knows.

    `heard` hears of each charge that was answered here: `replay`, `limits`. `concurrent` False says that the store
    never waits: then nothing here needs an event loop. Closing is owed.
    """

    def __init__(
        self,
        shared: LimitStore,
        share: LocalShare,
        processes: Callable[[], int],
        *,
        heard: Callable[[str], object] = lambda _: None,
        concurrent: bool = True,
    ) -> None:
        self._shared = shared
        self._share = share
        self._processes = processes
        self._heard = heard
        self._concurrent = concurrent
        self._heard_of = False
        self._debts: deque[Charge] = deque()
        self._repaying: asyncio.Task[None] | None = None

    @property
    def born_at(self) -> UnixMs | None:
        """When the shared store's memory begins."""
        return self._shared.born_at

    def ask(self, charge: Charge) -> "Receipt | asyncio.Future[Receipt]":
        """The same as `charge`, begun now: what the shared store knows at once, or what is to be awaited."""
        replayed = self._replayed(charge)
        if replayed is not None:
            return replayed
        answer = self._shared.ask(charge)
        if not isinstance(answer, asyncio.Future):
            return self._concluded(charge, answer)
        concluded: asyncio.Future[Receipt] = answer.get_loop().create_future()

        def conclude(answered: "asyncio.Future[Receipt]") -> None:
            if answered.cancelled():
                concluded.cancel()
                return
            receipt = self._concluded(charge, answered.result())
            if not concluded.done():  # else nobody waits any more
                concluded.set_result(receipt)

        answer.add_done_callback(conclude)
        return concluded

    async def charge(self, charge: Charge) -> Receipt:
        """Ask the shared store; if it does not answer, what the policy says."""
        replayed = self._replayed(charge)
        if replayed is not None:
            return replayed
        return self._concluded(charge, await self._shared.charge(charge))

    async def bury(self, account: AccountId, key_id: KeyId, until: UnixMs) -> bool:
        """See `LimitStore.bury`."""
        return await self._shared.bury(account, key_id, until)

    async def repay(self, charge: Charge) -> Receipt:
        """See `LimitStore.repay`."""
        return await self._shared.repay(charge)

    async def refund(self, charge: Charge) -> None:
        """Give back where it was taken."""
        if not self._share.withdraw(charge):
            await self._shared.refund(charge)

    async def settle(self, charge: Charge, costs: tuple[int, ...]) -> None:
        """Settle where it was taken."""
        if not self._share.settle(charge, costs):
            await self._shared.settle(charge, costs)

    async def release(self, charge: Charge) -> None:
        """The exchange is over, wherever its slots are held."""
        self._share.release(charge)
        await self._shared.release(charge)

    async def close(self) -> None:
        """Tell the store what it can still be told."""
        if self._repaying is not None:
            await self._repaying

    def _replayed(self, charge: Charge) -> Replayed | None:
        local = charge.once is not None and charge.loss.replay is OnLoss.LOCAL
        return self._share.replayed(charge) if local else None

    def _concluded(self, charge: Charge, receipt: Receipt) -> Receipt:
        if isinstance(receipt, Unavailable):
            return self._without(charge, receipt)
        self._heard_of = True
        if self._share.lost or self._debts:
            self._found(charge.now)
        self._share.observe(charge, receipt)
        return receipt

    def _without(self, charge: Charge, receipt: Unavailable) -> Receipt:
        asked = alternative(charge)
        if asked is None:
            return receipt
        self._share.lose(self._processes() if self._heard_of else 0, charge.now)
        for function, part in (("replay", charge.once), ("limits", charge.debits)):
            if part:
                self._heard(function)
        return self._share.charge(asked)

    def _found(self, now: UnixMs) -> None:
        self._debts += self._share.find(now)
        if not self._concurrent:
            at_once(self._repay())
        elif self._debts and (self._repaying is None or self._repaying.done()):
            self._repaying = asyncio.create_task(self._repay(), name="repay the shared store")

    async def _repay(self) -> None:
        """Until all is told, or the store is lost again: then what is left waits for its next return."""
        while self._debts:
            some = list(islice(self._debts, _AT_ONCE))
            if self._concurrent:
                answers = await asyncio.gather(*(self._shared.repay(charge) for charge in some))
            else:
                answers = [await self._shared.repay(charge) for charge in some]
            for _ in some:
                self._debts.popleft()
            untold = [charge for charge, answer in zip(some, answers, strict=True) if isinstance(answer, Unavailable)]
            self._debts += untold
            if untold:
                return
