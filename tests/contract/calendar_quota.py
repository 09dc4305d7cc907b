"""What every LimitStore must hold of quotas by the calendar. See `limit_store.py`."""

from guard.model.names import UnixMs
from guard.model.policy import Bucket, Calendar
from guard.model.questions import Debit, Granted, Reading, Short
from tests.contract.limit_store import BORN, WINDOW_MS, Suite, charge, debit, limit, metered, once, readings, remaining

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
MIDNIGHT = 20_834 * DAY_MS  # the first one after BORN, which is at eight
TEN = MIDNIGHT + 10 * HOUR_MS  # on a day that the store has known from its beginning
TO_MIDNIGHT_MS = 14 * HOUR_MS
DAILY = metered(Calendar(10, DAY_MS))


def daily(cost: int = 1, tokens: int = 10, *, vetoes: bool = True) -> Debit:
    return debit(cost, metered(Calendar(tokens, DAY_MS)), vetoes=vetoes)


def hourly(cost: int = 1, tokens: int = 10) -> Debit:
    return debit(cost, metered(Calendar(tokens, HOUR_MS)))


class CalendarContract(Suite):
    """Every test opens a store that was born at BORN, on the day before TEN."""

    async def test_quota_takes_its_cost_and_tells_the_time_to_midnight(self) -> None:
        store = await self.open()
        reading = Reading(DAILY, 7, 0, TO_MIDNIGHT_MS, short=False, cost=3)
        assert await store.charge(charge("a", daily(3), now=TEN)) == Granted(UnixMs(TEN), (reading,))

    async def test_quota_is_spent_to_the_last_token_and_no_further_however_late_it_is(self) -> None:
        store = await self.open()
        answers = [await store.charge(charge(f"c{n}", daily(), now=MIDNIGHT + n * HOUR_MS)) for n in range(11)]
        assert [type(answer) for answer in answers] == [Granted] * 10 + [Short]
        assert isinstance(await store.charge(charge("late", daily(), now=MIDNIGHT + DAY_MS - 1)), Short)

    async def test_spent_quota_tells_the_exact_wait_and_all_is_back_at_midnight_exactly(self) -> None:
        store = await self.open()
        await store.charge(charge("a", daily(8), now=TEN))
        short = await store.charge(charge("b", daily(3), now=TEN))
        assert short == Short(UnixMs(TEN), (Reading(DAILY, 2, TO_MIDNIGHT_MS, TO_MIDNIGHT_MS, short=True, cost=3),))
        assert isinstance(await store.charge(charge("c", daily(3), now=MIDNIGHT + DAY_MS - 1)), Short)
        assert remaining(await store.charge(charge("d", daily(10), now=MIDNIGHT + DAY_MS))) == [0]

    async def test_whole_quota_has_no_time_at_which_there_is_more(self) -> None:
        store = await self.open()
        [reading] = readings(await store.charge(charge("a", daily(0), now=TEN)))
        assert (reading.remaining, reading.next_ms) == (10, 0)

    async def test_quota_of_an_hour_is_back_at_the_full_hour(self) -> None:
        store = await self.open()
        await store.charge(charge("a", hourly(10), now=TEN + 1_800_000))
        [reading] = readings(await store.charge(charge("b", hourly(), now=TEN + 1_800_000)))
        assert reading.wait_ms == 1_800_000
        assert remaining(await store.charge(charge("c", hourly(), now=TEN + HOUR_MS))) == [9]

    async def test_days_that_nobody_asked_in_are_not_saved_up(self) -> None:
        store = await self.open()
        await store.charge(charge("a", daily(4), now=TEN))
        assert remaining(await store.charge(charge("b", daily(1), now=TEN + 5 * DAY_MS))) == [9]

    async def test_cost_above_the_whole_quota_never_fits_and_says_so(self) -> None:
        store = await self.open()
        assert readings(await store.charge(charge("a", daily(11), now=TEN)))[0].wait_ms is None

    async def test_clock_that_goes_back_over_midnight_gives_nothing_back(self) -> None:
        store = await self.open()
        await store.charge(charge("a", daily(10), now=MIDNIGHT))
        early = await store.charge(charge("b", daily(), now=MIDNIGHT - 60_000))
        assert isinstance(early, Short)
        assert early.now == MIDNIGHT
        assert isinstance(await store.charge(charge("c", daily(), now=MIDNIGHT + 1)), Short)

    async def test_quota_twice_in_a_charge_pays_twice(self) -> None:
        store = await self.open()
        assert remaining(await store.charge(charge("a", daily(4), daily(4), now=TEN)))[-1] == 2
        short = await store.charge(charge("b", daily(2), daily(1), now=TEN))
        assert [each.short for each in readings(short)] == [False, True]
        assert remaining(await store.charge(charge("c", daily(2), now=TEN))) == [0]

    async def test_quota_and_bucket_are_all_or_nothing(self) -> None:
        store = await self.open()
        bucket = debit(10, bucket=("exchange", "burst", "k1"))
        await store.charge(charge("a", bucket, now=TEN))
        for number, debits in enumerate(((daily(4), bucket), (bucket, daily(4)))):
            assert isinstance(await store.charge(charge(f"b{number}", *debits, now=TEN)), Short)
        assert remaining(await store.charge(charge("c", daily(), now=TEN))) == [9]
        await store.charge(charge("d", daily(9), now=TEN))
        assert isinstance(await store.charge(charge("e", bucket, daily(), now=TEN + 10_000)), Short)
        assert isinstance(await store.charge(charge("f", bucket, now=TEN + 10_000)), Granted)

    async def test_shadow_quota_is_taken_if_it_fits_and_never_vetoes(self) -> None:
        store = await self.open()
        fits, over = [readings(await store.charge(charge(n, daily(6, vetoes=False), now=TEN))) for n in ("a", "b")]
        assert fits == (Reading(DAILY, 4, 0, TO_MIDNIGHT_MS, short=False, cost=6, vetoes=False),)
        assert over == (Reading(DAILY, 4, TO_MIDNIGHT_MS, TO_MIDNIGHT_MS, short=True, cost=6, vetoes=False),)
        assert remaining(await store.charge(charge("c", daily(4), now=TEN))) == [0]

    async def test_replay_spends_no_quota(self) -> None:
        store = await self.open()
        for name in ("a", "b"):
            await store.charge(charge(name, daily(), now=TEN, message=once(forget_after=TEN + WINDOW_MS)))
        assert remaining(await store.charge(charge("c", daily(), now=TEN))) == [8]

    # asking again, and giving back

    async def test_asking_again_spends_no_more_quota_even_after_midnight(self) -> None:
        store = await self.open()
        first = await store.charge(charge("a", daily(4), now=TEN))
        assert await store.charge(charge("a", daily(4), now=TEN + DAY_MS)) == first
        assert remaining(await store.charge(charge("b", daily(), now=TEN + DAY_MS))) == [9]

    async def test_refund_gives_quota_back_once(self) -> None:
        store = await self.open()
        spent = charge("a", daily(4), now=TEN)
        await store.charge(spent)
        await store.charge(charge("b", daily(6), now=TEN))
        await store.refund(spent)
        await store.refund(spent)
        assert remaining(await store.charge(charge("c", daily(1), now=TEN))) == [3]

    async def test_refund_after_midnight_gives_nothing_to_the_new_day(self) -> None:
        store = await self.open()
        spent = charge("a", daily(4), now=MIDNIGHT + DAY_MS - 1)
        await store.charge(spent)
        await store.charge(charge("b", daily(6), now=MIDNIGHT + DAY_MS))
        await store.refund(spent)
        assert remaining(await store.charge(charge("c", daily(1), now=MIDNIGHT + DAY_MS))) == [3]

    async def test_refund_of_a_short_charge_gives_no_quota(self) -> None:
        store = await self.open()
        await store.charge(charge("a", daily(6), now=TEN))
        short, over = charge("b", daily(5), now=TEN), charge("c", daily(5, vetoes=False), now=TEN)
        for each in (short, over):
            await store.charge(each)
            await store.refund(each)
        assert remaining(await store.charge(charge("d", daily(1), now=TEN))) == [3]

    # what nobody remembers

    async def test_quota_of_the_hour_in_which_memory_begins_holds_what_would_have_come_back_since(self) -> None:
        born = BORN + 1_800_000
        store = await self.open(UnixMs(born))
        [reading] = readings(await store.charge(charge("a", hourly(2, tokens=3600), now=born + 1_001)))
        assert (reading.remaining, reading.wait_ms, reading.next_ms) == (1, 999, 999)
        assert isinstance(await store.charge(charge("b", hourly(2, tokens=3600), now=born + 1_999)), Short)
        assert remaining(await store.charge(charge("c", hourly(2, tokens=3600), now=born + 2_000))) == [0]
        assert remaining(await store.charge(charge("d", hourly(1, tokens=3600), now=BORN + HOUR_MS - 1))) == [1796]
        assert remaining(await store.charge(charge("e", hourly(1, tokens=3600), now=BORN + HOUR_MS))) == [3599]

    async def test_wait_in_the_hour_in_which_memory_begins_is_no_longer_than_to_the_next(self) -> None:
        born = BORN + 1_800_000
        store = await self.open(UnixMs(born))
        [reading] = readings(await store.charge(charge("a", hourly(10), now=born + 1_000)))
        assert (reading.remaining, reading.wait_ms, reading.next_ms) == (0, 1_799_000, 359_000)
        assert remaining(await store.charge(charge("b", hourly(10), now=BORN + HOUR_MS))) == [0]

    async def test_quota_of_an_hour_that_began_with_memory_is_whole(self) -> None:
        store = await self.open(BORN)
        assert remaining(await store.charge(charge("a", hourly(10), now=BORN))) == [0]

    # edits of a policy

    async def test_raised_or_lowered_quota_keeps_what_was_spent(self) -> None:
        store = await self.open()
        await store.charge(charge("a", daily(6), now=TEN))
        assert remaining(await store.charge(charge("b", daily(1, tokens=20), now=TEN))) == [13]
        [reading] = readings(await store.charge(charge("c", daily(1, tokens=5), now=TEN)))
        assert (reading.remaining, reading.wait_ms) == (0, TO_MIDNIGHT_MS)

    async def test_shortened_period_keeps_what_was_spent_until_it_ends(self) -> None:
        store = await self.open()
        await store.charge(charge("a", daily(6), now=TEN))
        assert remaining(await store.charge(charge("b", hourly(1), now=TEN + 2))) == [3]
        assert remaining(await store.charge(charge("c", hourly(1), now=TEN + HOUR_MS))) == [9]

    async def test_lengthened_period_is_known_since_the_shorter_one_began(self) -> None:
        store = await self.open()
        await store.charge(charge("a", hourly(6), now=TEN))
        half_past = TEN + HOUR_MS // 2
        assert remaining(await store.charge(charge("b", daily(1, tokens=480), now=half_past))) == [3]  # 10, 6 spent
        assert remaining(await store.charge(charge("c", daily(1, tokens=480), now=MIDNIGHT + DAY_MS))) == [479]

    async def test_refund_of_what_a_lengthened_period_does_not_know_gives_nothing(self) -> None:
        store = await self.open()
        earlier = charge("a", hourly(4), now=TEN)
        await store.charge(earlier)
        await store.charge(charge("b", hourly(6), now=TEN + HOUR_MS))
        later = TEN + HOUR_MS + HOUR_MS // 2
        assert remaining(await store.charge(charge("c", daily(1, tokens=480), now=later))) == [3]
        await store.refund(earlier)
        assert remaining(await store.charge(charge("d", daily(1, tokens=480), now=later))) == [2]

    async def test_bucket_that_becomes_a_quota_starts_with_nothing(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(1), now=TEN))
        second_by_second = daily(1, tokens=86_400)
        [reading] = readings(await store.charge(charge("b", second_by_second, now=TEN)))
        assert (reading.remaining, reading.wait_ms) == (0, 1_000)
        assert isinstance(await store.charge(charge("c", second_by_second, now=TEN + 1_000)), Granted)
        assert remaining(await store.charge(charge("d", second_by_second, now=MIDNIGHT + DAY_MS))) == [86_399]

    async def test_quota_that_becomes_a_bucket_starts_with_nothing(self) -> None:
        store = await self.open()
        await store.charge(charge("a", daily(1), now=TEN))
        assert isinstance(await store.charge(charge("b", debit(1), now=TEN + 999)), Short)
        assert isinstance(await store.charge(charge("c", debit(1), now=TEN + 1_999)), Granted)

    async def test_refund_to_what_has_become_another_kind_gives_nothing(self) -> None:
        store = await self.open()
        spent = charge("a", daily(5), now=TEN)
        await store.charge(spent)
        await store.charge(charge("b", debit(1, limit(capacity=10)), now=TEN))
        await store.refund(spent)
        assert isinstance(await store.charge(charge("c", debit(1), now=TEN)), Short)

    async def test_quota_of_an_equal_rule_from_another_load_is_the_same(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(3, metered(Calendar(10, DAY_MS))), now=TEN))
        assert remaining(await store.charge(charge("b", debit(3, metered(Calendar(10, DAY_MS))), now=TEN))) == [4]

    async def test_quota_and_bucket_of_one_kind_of_numbers_are_never_taken_for_each_other(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(1, metered(Bucket(10, 10, DAY_MS))), now=TEN))
        assert isinstance(await store.charge(charge("b", daily(1), now=TEN)), Short)
