"""What every LimitStore must hold of charges that have cost otherwise than they took. See `limit_store.py`."""

from guard.model.policy import Bucket, Calendar
from guard.model.questions import Granted, Short
from tests.contract.calendar_quota import HOUR_MS, TEN, daily
from tests.contract.limit_store import NOW, Suite, charge, debit, limit, metered, once, readings, remaining
from tests.contract.slots import holding, slot


class SettleContract(Suite):
    """Every test opens a store whose buckets are full."""

    async def test_what_was_paid_too_much_is_given_back(self) -> None:
        store = await self.open()
        held = charge("a", debit(5), message=once())
        await store.charge(held)
        await store.settle(held, (2,))
        assert remaining(await store.charge(charge("b", debit(0)))) == [8]

    async def test_what_was_paid_too_little_is_taken(self) -> None:
        store = await self.open()
        held = charge("a", debit(2))
        await store.charge(held)
        await store.settle(held, (7,))
        assert remaining(await store.charge(charge("b", debit(0)))) == [3]

    async def test_what_is_not_there_is_owed_and_waited_for(self) -> None:
        store = await self.open()
        held = charge("a", debit(6))
        await store.charge(held)
        await store.settle(held, (13,))
        [reading] = readings(await store.charge(charge("b", debit(1))))
        assert (reading.remaining, reading.wait_ms, reading.next_ms) == (0, 4_000, 4_000)
        assert isinstance(await store.charge(charge("c", debit(1), now=NOW + 3_999)), Short)
        assert isinstance(await store.charge(charge("d", debit(1), now=NOW + 4_000)), Granted)

    async def test_what_a_full_bucket_owes_refills_from_then_on(self) -> None:
        store = await self.open()
        held = charge("a", debit(0))
        await store.charge(held)
        await store.settle(held, (15,))
        [reading] = readings(await store.charge(charge("b", debit(1), now=NOW + 1)))
        assert reading.wait_ms == 5_999

    async def test_a_debt_gives_nothing_to_what_is_repaid(self) -> None:
        store = await self.open()
        held = charge("a", debit(10))
        await store.charge(held)
        await store.settle(held, (15,))
        await store.repay(charge("b", debit(3)))
        assert isinstance(await store.charge(charge("c", debit(1), now=NOW + 5_999)), Short)
        assert isinstance(await store.charge(charge("d", debit(1), now=NOW + 6_000)), Granted)

    async def test_it_happens_once_and_not_after_a_refund_nor_a_refund_after_it(self) -> None:
        store = await self.open()
        settled, refunded = charge("a", debit(2)), charge("b", debit(2))
        for held in (settled, refunded):
            await store.charge(held)
        await store.settle(settled, (1,))
        await store.settle(settled, (0,))
        await store.refund(settled)
        await store.refund(refunded)
        await store.settle(refunded, (9,))
        assert remaining(await store.charge(charge("c", debit(0)))) == [9]

    async def test_what_was_not_granted_is_not_settled(self) -> None:
        store = await self.open()
        short = charge("a", debit(11))
        await store.charge(short)
        await store.settle(short, (0,))
        await store.settle(charge("never asked", debit(1)), (9,))
        assert remaining(await store.charge(charge("b", debit(0)))) == [10]

    async def test_each_debit_has_its_own_cost_and_a_shadow_debit_that_was_not_taken_has_none(self) -> None:
        store = await self.open()
        shadow = debit(11, bucket=("shadow",), vetoes=False)
        held = charge("a", debit(4), debit(4, bucket=("other",)), shadow)
        await store.charge(held)
        await store.settle(held, (1, 4, 20))
        asked = charge("b", debit(0), debit(0, bucket=("other",)), debit(0, bucket=("shadow",)))
        assert remaining(await store.charge(asked)) == [9, 6, 10]

    async def test_a_bucket_that_was_full_again_and_forgotten_owes_all_the_same(self) -> None:
        store = await self.open()
        of = limit(capacity=10, refill_tokens=10, period_ms=1000)
        held = charge("a", debit(1, of), message=once(forget_after=NOW + 50_000))
        await store.charge(held)
        for number in range(5):
            await store.charge(charge(f"b{number}", debit(1, bucket=("other",)), now=NOW + 20_000))
        await store.settle(held, (9,))
        assert remaining(await store.charge(charge("c", debit(0, of), now=NOW + 20_000))) == [2]

    async def test_settling_never_fills_above_capacity(self) -> None:
        store = await self.open()
        held = charge("a", debit(5))
        await store.charge(held)
        await store.charge(charge("b", debit(1), now=NOW + 5_000))
        await store.settle(held, (0,))
        assert remaining(await store.charge(charge("c", debit(1), now=NOW + 5_000))) == [9]

    async def test_a_quota_is_settled_in_the_period_in_which_it_was_taken(self) -> None:
        store = await self.open()
        first = charge("a", daily(2), now=TEN)
        await store.charge(first)
        await store.settle(first, (9,))
        assert remaining(await store.charge(charge("c", daily(1), now=TEN))) == [0]
        other = debit(2, metered(Calendar(10, HOUR_MS), "hourly"), ("exchange", "hourly", "a1"))
        late = charge("d", other, now=TEN)
        await store.charge(late)
        await store.charge(charge("e", debit(1, other.limit, other.bucket), now=TEN + HOUR_MS))
        await store.settle(late, (9,))
        assert remaining(await store.charge(charge("f", debit(0, other.limit, other.bucket), now=TEN + HOUR_MS))) == [9]

    async def test_a_quota_may_be_overdrawn(self) -> None:
        store = await self.open()
        held = charge("a", daily(2), now=TEN)
        await store.charge(held)
        await store.settle(held, (99,))
        assert isinstance(await store.charge(charge("b", daily(1), now=TEN + HOUR_MS)), Short)

    async def test_what_has_become_another_kind_owes_nothing(self) -> None:
        store = await self.open()
        held = charge("a", daily(2), now=TEN)
        await store.charge(held)
        await store.charge(charge("b", debit(0, metered(Bucket(10, 1, 1000))), now=TEN))
        await store.settle(held, (9,))
        assert remaining(await store.charge(charge("c", debit(0, metered(Bucket(10, 1, 1000))), now=TEN + 2_000))) == [
            2
        ]

    async def test_slots_are_given_back_with_it(self) -> None:
        store = await self.open()
        held = holding("a", slot(1), debit(3))
        await store.charge(held)
        await store.settle(held, (1, 1))
        assert remaining(await store.charge(holding("b", slot(1), debit(0)))) == [0, 9]
