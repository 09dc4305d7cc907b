"""What every LimitStore must hold of what is kept in reserve: tokens and slots that a debit must leave. See
`limit_store.py`.
"""

from guard.model.policy import Bucket, Calendar, Slots
from guard.model.questions import Granted, Reading, Short
from tests.contract.calendar_quota import TEN
from tests.contract.limit_store import NOW, Suite, charge, debit, limit, metered, readings, remaining
from tests.contract.slots import holding

PENDING = metered(Slots(3), "pending")


class ReserveContract(Suite):
    """Every test opens a store whose buckets are full."""

    async def test_what_must_be_left_is_left_to_the_token(self) -> None:
        store = await self.open()
        assert isinstance(await store.charge(charge("a", debit(6, spare=4))), Granted)
        assert isinstance(await store.charge(charge("b", debit(1, spare=4))), Short)
        assert remaining(await store.charge(charge("c", debit(4)))) == [0]

    async def test_what_must_be_left_is_waited_for_too(self) -> None:
        store = await self.open()
        of = limit(capacity=10, refill_tokens=1, period_ms=1000)
        await store.charge(charge("a", debit(10, of)))
        answer = await store.charge(charge("b", debit(2, of, spare=4)))
        assert readings(answer) == (Reading(of, 0, 6_000, 5_000, True, 2, True, 4),)  # noqa: FBT003
        assert isinstance(await store.charge(charge("c", debit(2, of, spare=4), now=NOW + 5_999)), Short)
        assert isinstance(await store.charge(charge("d", debit(2, of, spare=4), now=NOW + 6_000)), Granted)

    async def test_a_cost_that_leaves_too_little_of_a_full_bucket_can_never_be_paid(self) -> None:
        store = await self.open()
        [reading] = readings(await store.charge(charge("a", debit(7, spare=4))))
        assert (reading.remaining, reading.usable, reading.wait_ms) == (10, 6, None)

    async def test_a_shadow_limit_with_a_reserve_is_taken_only_if_that_is_left(self) -> None:
        store = await self.open()
        for name, left in (("a", 6), ("b", 6)):
            answer = await store.charge(charge(name, debit(4, vetoes=False, spare=3)))
            assert (isinstance(answer, Granted), remaining(answer)) == (True, [left])

    async def test_a_quota_keeps_its_reserve(self) -> None:
        store = await self.open()
        of = metered(Calendar(10, 86_400_000), "daily")
        spent = debit(8, of, ("exchange", "daily", "a1"))
        await store.charge(charge("a", spent, now=TEN))
        kept = debit(1, of, ("exchange", "daily", "a1"), spare=2)
        [reading] = readings(await store.charge(charge("b", kept, now=TEN)))
        assert (reading.remaining, reading.usable, reading.short) == (2, 0, True)
        assert reading.wait_ms == reading.next_ms == 14 * 3_600_000
        assert remaining(await store.charge(charge("c", debit(2, of, ("exchange", "daily", "a1")), now=TEN))) == [0]

    async def test_slots_keep_their_reserve_and_who_holds_one_keeps_it(self) -> None:
        store = await self.open()
        kept = debit(1, PENDING, ("exchange", "pending", "k1"), spare=1)
        assert isinstance(await store.charge(holding("a", kept)), Granted)
        assert isinstance(await store.charge(holding("b", kept)), Granted)
        assert isinstance(await store.charge(holding("c", kept)), Short)
        assert isinstance(await store.charge(holding("d", debit(1, PENDING, ("exchange", "pending", "k1")))), Granted)
        assert remaining(await store.charge(charge("e", debit(0, PENDING, ("exchange", "pending", "k1"))))) == [0]

    async def test_a_shadow_slot_is_not_leased_out_of_the_reserve(self) -> None:
        store = await self.open()
        kept = debit(1, PENDING, ("exchange", "pending", "k1"), vetoes=False, spare=2)
        await store.charge(holding("a", kept))
        assert remaining(await store.charge(holding("b", kept))) == [2]

    async def test_both_kinds_of_messages_spend_of_one_bucket(self) -> None:
        store = await self.open()
        of = metered(Bucket(10, 1, 1000))
        for number, spare in enumerate((3, 0, 3, 0)):
            await store.charge(charge(f"{number}", debit(2, of, spare=spare)))
        assert isinstance(await store.charge(charge("kept", debit(1, of, spare=3))), Short)
        assert remaining(await store.charge(charge("critical", debit(2, of)))) == [0]
