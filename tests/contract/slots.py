"""What every LimitStore must hold of slots: limits on how many exchanges go on at once. See `limit_store.py`."""

from guard.model.names import UnixMs
from guard.model.policy import Bucket, Slots
from guard.model.questions import BucketKey, Charge, Debit, Granted, Once, Reading, Replayed, Short
from guard.state.slots import TRY_AGAIN_MS
from tests.contract.calendar_quota import TEN, daily
from tests.contract.limit_store import NOW, Suite, charge, debit, limit, metered, once, readings, remaining

HOLD_MS = 11_000


def slot(
    count: int = 10,
    *,
    cost: int = 1,
    bucket: BucketKey = ("exchange", "pending", "k1"),
    name: str = "pending",
    vetoes: bool = True,
) -> Debit:
    return debit(cost, metered(Slots(count), name), bucket, vetoes=vetoes)


def holding(name: str, *debits: Debit, now: int = NOW, hold_ms: int = HOLD_MS, message: Once | None = None) -> Charge:
    return charge(name, *(debits or (slot(),)), now=now, hold_ms=hold_ms, message=message)


class SlotsContract(Suite):
    """Every test opens a store whose slots are all free."""

    async def test_ten_are_held_the_eleventh_is_refused_and_after_one_is_released_another_gets_it(self) -> None:
        store = await self.open()
        held = [holding(f"c{number}") for number in range(10)]
        assert [type(await store.charge(each)) for each in held] == [Granted] * 10
        assert isinstance(await store.charge(holding("eleventh")), Short)
        await store.release(held[4])
        assert isinstance(await store.charge(holding("twelfth")), Granted)
        assert isinstance(await store.charge(holding("thirteenth")), Short)

    async def test_slots_are_told_without_a_time(self) -> None:
        store = await self.open()
        of = metered(Slots(1), "pending")
        granted = await store.charge(holding("a", slot(1)))
        assert granted == Granted(NOW, (Reading(of, 0, 0, 0, short=False, cost=1),))
        short = await store.charge(holding("b", slot(1)))
        assert short == Short(NOW, (Reading(of, 0, TRY_AGAIN_MS, 0, short=True, cost=1),))

    async def test_charge_takes_one_slot_whatever_its_cost(self) -> None:
        store = await self.open()
        assert remaining(await store.charge(holding("a", slot(cost=30)))) == [9]

    async def test_slots_are_held_by_key(self) -> None:
        store = await self.open()
        await store.charge(holding("a", slot(1)))
        assert isinstance(await store.charge(holding("b", slot(1, bucket=("exchange", "pending", "k2")))), Granted)

    # the end of a lease

    async def test_lease_that_nobody_ends_is_over_at_its_end_to_the_millisecond(self) -> None:
        store = await self.open()
        await store.charge(holding("a", slot(1)))
        assert isinstance(await store.charge(holding("b", slot(1), now=NOW + HOLD_MS - 1)), Short)
        assert isinstance(await store.charge(holding("c", slot(1), now=NOW + HOLD_MS)), Granted)

    async def test_each_lease_has_its_own_end(self) -> None:
        store = await self.open()
        await store.charge(holding("long", slot(2), hold_ms=5_000))
        await store.charge(holding("short", slot(2), now=NOW + 1_000, hold_ms=1_000))
        assert isinstance(await store.charge(holding("a", slot(2), now=NOW + 1_999)), Short)
        assert isinstance(await store.charge(holding("b", slot(2), now=NOW + 2_000)), Granted)
        assert isinstance(await store.charge(holding("c", slot(2), now=NOW + 4_999)), Short)
        assert isinstance(await store.charge(holding("d", slot(2), now=NOW + 5_000)), Granted)

    async def test_clock_that_goes_backwards_lengthens_no_lease_and_ends_none(self) -> None:
        store = await self.open()
        await store.charge(holding("a", slot(1)))
        assert isinstance(await store.charge(holding("b", slot(1), now=NOW - 60_000)), Short)
        assert isinstance(await store.charge(holding("c", slot(1), now=NOW + HOLD_MS)), Granted)
        assert isinstance(await store.charge(holding("d", slot(1), now=NOW)), Short)

    async def test_lease_of_a_clock_that_went_backwards_is_counted_from_the_stores_time(self) -> None:
        store = await self.open()
        await store.charge(charge("later", debit()))
        await store.charge(holding("a", slot(1), now=NOW - 60_000))
        assert isinstance(await store.charge(holding("b", slot(1), now=NOW + HOLD_MS - 1)), Short)
        assert isinstance(await store.charge(holding("c", slot(1), now=NOW + HOLD_MS)), Granted)

    async def test_slot_is_released_once_however_often_it_is_said(self) -> None:
        store = await self.open()
        first, second = holding("a", slot(2)), holding("b", slot(2))
        await store.charge(first)
        await store.charge(second)
        await store.release(first)
        await store.release(first)
        assert [type(await store.charge(holding(name, slot(2)))) for name in ("c", "d")] == [Granted, Short]

    async def test_release_of_what_was_never_granted_ends_nothing(self) -> None:
        store = await self.open()
        await store.charge(holding("a", slot(1)))
        refused = holding("b", slot(1))
        await store.charge(refused)
        await store.release(refused)
        await store.release(holding("never asked", slot(1)))
        assert isinstance(await store.charge(holding("c", slot(1))), Short)

    async def test_release_gives_no_tokens_back(self) -> None:
        store = await self.open()
        spent = holding("a", slot(), debit(4))
        await store.charge(spent)
        await store.release(spent)
        assert remaining(await store.charge(holding("b", slot(), debit(1)))) == [9, 5]

    async def test_refund_gives_slot_and_tokens_back(self) -> None:
        store = await self.open()
        spent = holding("a", slot(1), debit(4))
        await store.charge(spent)
        await store.refund(spent)
        await store.release(spent)
        assert remaining(await store.charge(holding("b", slot(1), debit(1)))) == [0, 9]

    async def test_released_charge_can_still_be_refunded(self) -> None:
        store = await self.open()
        spent = holding("a", slot(1), debit(4))
        await store.charge(spent)
        await store.release(spent)
        await store.refund(spent)
        assert remaining(await store.charge(holding("b", slot(1), debit(1)))) == [0, 9]

    async def test_release_ends_every_lease_of_the_charge(self) -> None:
        store = await self.open()
        account = slot(1, bucket=("exchange", "account", "a1"), name="account")
        both = holding("a", slot(1), account)
        await store.charge(both)
        await store.release(both)
        assert isinstance(await store.charge(holding("b", slot(1), account)), Granted)

    # asking again

    async def test_asking_again_holds_no_second_slot(self) -> None:
        store = await self.open()
        first = await store.charge(holding("a", slot(2)))
        assert await store.charge(holding("a", slot(2), now=NOW + 500)) == first
        assert isinstance(await store.charge(holding("b", slot(2), now=NOW + 500)), Granted)

    async def test_asking_again_after_the_release_holds_nothing(self) -> None:
        store = await self.open()
        asked = holding("a", slot(1))
        first = await store.charge(asked)
        await store.release(asked)
        assert await store.charge(asked) == first
        assert isinstance(await store.charge(holding("b", slot(1))), Granted)

    async def test_slot_twice_in_a_charge_is_one(self) -> None:
        store = await self.open()
        await store.charge(holding("a", slot(2), slot(2)))
        assert isinstance(await store.charge(holding("b", slot(2))), Granted)

    async def test_replay_holds_no_slot(self) -> None:
        store = await self.open()
        first = holding("a", slot(1), message=once())
        await store.charge(first)
        await store.release(first)
        assert isinstance(await store.charge(holding("b", slot(1), message=once())), Replayed)
        assert isinstance(await store.charge(holding("c", slot(1))), Granted)

    # beside other meters

    async def test_charge_that_another_meter_refuses_holds_no_slot(self) -> None:
        store = await self.open()
        impossible = debit(11)
        for number, debits in enumerate(((slot(1), impossible), (impossible, slot(1)))):
            assert isinstance(await store.charge(holding(f"a{number}", *debits)), Short)
        assert isinstance(await store.charge(holding("b", slot(1))), Granted)

    async def test_charge_that_finds_no_slot_takes_nothing_from_other_meters(self) -> None:
        store = await self.open()
        await store.charge(holding("a", slot(1), now=TEN))
        bucket = debit(4, bucket=("exchange", "burst", "k1"))
        for number, debits in enumerate(((bucket, daily(4), slot(1)), (slot(1), daily(4), bucket))):
            short = await store.charge(holding(f"b{number}", *debits, now=TEN))
            assert sorted(each.short for each in readings(short)) == [False, False, True]
        assert remaining(await store.charge(charge("c", bucket, daily(4), now=TEN))) == [6, 6]

    async def test_shadow_slots_are_held_if_there_are_any_and_never_veto(self) -> None:
        store = await self.open()
        shadow = slot(1, vetoes=False)
        first = holding("a", shadow)
        assert [each.short for each in readings(await store.charge(first))] == [False]
        over = await store.charge(holding("b", shadow))
        assert isinstance(over, Granted)
        assert over.readings == (
            Reading(metered(Slots(1), "pending"), 0, TRY_AGAIN_MS, 0, short=True, cost=1, vetoes=False),
        )
        await store.release(first)
        assert isinstance(await store.charge(holding("c", slot(1))), Granted)

    async def test_shadow_slot_is_not_held_when_another_limit_refuses(self) -> None:
        store = await self.open()
        assert isinstance(await store.charge(holding("a", slot(1, vetoes=False), debit(11))), Short)
        assert isinstance(await store.charge(holding("b", slot(1))), Granted)

    # edits of a policy

    async def test_lowered_count_ends_no_lease_and_admits_none_until_enough_have_ended(self) -> None:
        store = await self.open()
        held = [holding(f"c{number}", slot(3)) for number in range(3)]
        for each in held:
            await store.charge(each)
        [reading] = readings(await store.charge(holding("a", slot(2))))
        assert (reading.remaining, reading.short) == (0, True)
        await store.release(held[0])
        assert isinstance(await store.charge(holding("b", slot(2))), Short)
        await store.release(held[1])
        assert isinstance(await store.charge(holding("c", slot(2))), Granted)

    async def test_raised_count_counts_what_is_held(self) -> None:
        store = await self.open()
        await store.charge(holding("a", slot(1)))
        assert [type(await store.charge(holding(name, slot(2)))) for name in ("b", "c")] == [Granted, Short]

    async def test_slots_that_become_a_bucket_start_with_no_tokens(self) -> None:
        store = await self.open()
        asked = holding("a")
        await store.charge(asked)
        bucket = debit(1, metered(Bucket(10, 1, 1000), "pending"), ("exchange", "pending", "k1"))
        assert isinstance(await store.charge(charge("b", bucket)), Short)
        await store.release(asked)
        await store.refund(asked)
        assert isinstance(await store.charge(charge("c", bucket, now=NOW + 999)), Short)
        assert isinstance(await store.charge(charge("d", bucket, now=NOW + 1_000)), Granted)

    async def test_bucket_that_becomes_slots_starts_with_all_of_them_free(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(10, limit(name="pending"), ("exchange", "pending", "k1"))))
        answers = [await store.charge(holding(name, slot(2))) for name in ("b", "c", "d")]
        assert [type(answer) for answer in answers] == [Granted, Granted, Short]

    async def test_lease_time_is_the_stores_own(self) -> None:
        store = await self.open()
        answer = await store.charge(holding("a", now=NOW + 7))
        assert isinstance(answer, Granted)
        assert answer.now == UnixMs(NOW + 7)
