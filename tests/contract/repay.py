"""What every LimitStore must hold of charges that were granted while it could not be asked."""

from abc import ABC, abstractmethod

from guard.model.names import UnixMs
from guard.model.policy import Calendar
from guard.model.questions import Granted, Replayed
from guard.state.protocols import LimitStore
from tests.contract.limit_store import BORN, NOW, charge, debit, metered, once, remaining


class RepayContract(ABC):
    """Beside `LimitStoreContract`, on the same stores."""

    @abstractmethod
    async def open(self, born_at: UnixMs = BORN) -> LimitStore:
        """An empty store."""

    async def test_repaid_charge_takes_its_cost(self) -> None:
        store = await self.open()
        assert isinstance(await store.repay(charge("a", debit(4))), Granted)
        assert remaining(await store.charge(charge("b", debit(1)))) == [5]

    async def test_repaid_charge_takes_what_there_is_and_never_refuses(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(8)))
        other = debit(3, bucket=("other",))
        assert isinstance(await store.repay(charge("b", debit(5), other)), Granted)
        assert remaining(await store.charge(charge("c", debit(0), debit(0, bucket=("other",))))) == [0, 7]

    async def test_repaid_charge_takes_of_a_calendar_quota_too(self) -> None:
        store = await self.open()
        daily = debit(3, metered(Calendar(10, 1000), "daily"), ("exchange", "daily", "a1"))
        await store.repay(charge("a", daily))
        assert remaining(await store.charge(charge("b", daily))) == [4]

    async def test_repaid_message_is_remembered(self) -> None:
        store = await self.open()
        await store.repay(charge("a", debit(1), message=once()))
        assert await store.charge(charge("b", debit(1), message=once())) == Replayed(NOW, NOW)

    async def test_charge_that_the_store_had_taken_after_all_is_not_taken_twice(self) -> None:
        store = await self.open()
        lost = charge("a", debit(4), message=once())
        await store.charge(lost)
        await store.repay(lost)
        await store.repay(lost)
        assert remaining(await store.charge(charge("b", debit(1)))) == [5]

    async def test_refund_of_a_repaid_charge_gives_back_only_where_all_of_it_was_taken(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(8)))
        repaid = charge("b", debit(5), debit(3, bucket=("other",)))
        await store.repay(repaid)
        await store.refund(repaid)
        assert remaining(await store.charge(charge("c", debit(0), debit(0, bucket=("other",))))) == [0, 10]
