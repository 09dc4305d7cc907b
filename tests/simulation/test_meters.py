"""Never more than a meter's definition allows, over any traffic: random costs, clocks that jump both ways, releases,
refunds, and holders that crash and release nothing. What was admitted is counted here from the definitions alone.
"""

import asyncio
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from guard.model.names import UnixMs
from guard.model.policy import Bucket, Calendar, Slots
from guard.model.questions import Charge, Debit, Granted
from guard.state.memory import MemoryLimits
from tests.contract.limit_store import BORN, debit, metered

BUCKET, QUOTA, SLOTS = Bucket(7, 3, 500), Calendar(9, 2_000), Slots(3)
HOLD_MS = 700
DEBITS = (
    lambda cost: debit(cost, metered(BUCKET, "bucket"), ("exchange", "bucket")),
    lambda cost: debit(cost, metered(QUOTA, "quota"), ("exchange", "quota")),
    lambda cost: debit(cost, metered(SLOTS, "slots"), ("exchange", "slots")),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from((0, 0, 0, 1, 10, 50, 200, 700, 3_000, -20, -2_500)),  # how the clock moves
        st.sets(st.integers(0, 2), min_size=1),  # which meters are asked
        st.integers(1, 5),
        st.sampled_from(("crashes", "goes on", "released", "refunded")),
        st.integers(0, 5),  # how many charges later, where it ends at all
    ),
    max_size=80,
)


class Admitted:
    """What was admitted to one store: when, for how much, and when its exchange was over."""

    def __init__(self) -> None:
        self.store = MemoryLimits(BORN)
        self.now = int(BORN)
        self.spent: dict[str, list[tuple[int, int, str]]] = {"bucket": [], "quota": []}
        self.held: dict[str, int] = {}
        self.endings: list[tuple[int, Charge, str]] = []

    async def step(self, number: int, moved_ms: int, debits: tuple[Debit, ...], ending: tuple[str, int]) -> None:
        self.now += moved_ms
        hold_ms = HOLD_MS if any(isinstance(each.limit.meter, Slots) for each in debits) else 0
        charge = Charge(id=f"c{number}", now=UnixMs(self.now), debits=debits, hold_ms=hold_ms)
        answer = await self.store.charge(charge)
        if isinstance(answer, Granted):
            self.admitted(charge, answer.now)
            self.endings.append((number + ending[1], charge, ending[0]))
        for _, over, how in [each for each in self.endings if each[0] <= number]:
            await self.end(over, how)
        self.endings = [each for each in self.endings if each[0] > number]

    def admitted(self, charge: Charge, now: int) -> None:
        for each in charge.debits:
            if isinstance(each.limit.meter, Slots):
                self.held = {holder: end for holder, end in self.held.items() if now < end}
                self.held[charge.id] = now + charge.hold_ms
                assert len(self.held) <= SLOTS.count
            else:
                self.spent[each.limit.name].append((now, each.cost, charge.id))

    async def end(self, charge: Charge, how: str) -> None:
        buckets = any(isinstance(each.limit.meter, Bucket) for each in charge.debits)
        if how == "released" or (how == "refunded" and buckets):  # a bucket may be given back more than it had refilled
            await self.store.release(charge)
            self.held.pop(charge.id, None)
        elif how == "refunded":
            await self.store.refund(charge)
            self.held.pop(charge.id, None)
            self.spent["quota"] = [each for each in self.spent["quota"] if each[2] != charge.id]

    def assert_within_definitions(self) -> None:
        for first, (begun, _, _) in enumerate(self.spent["bucket"]):
            total = 0
            for now, cost, _ in self.spent["bucket"][first:]:
                total += cost
                assert total <= BUCKET.capacity + Fraction((now - begun) * BUCKET.refill_tokens, BUCKET.period_ms)
        for period in {now // QUOTA.period_ms for now, _, _ in self.spent["quota"]}:
            assert sum(cost for now, cost, _ in self.spent["quota"] if now // QUOTA.period_ms == period) <= QUOTA.tokens


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_no_traffic_is_admitted_beyond_what_each_meter_is_defined_to_allow(
    steps: list[tuple[int, set[int], int, str, int]],
) -> None:
    async def history() -> None:
        admitted = Admitted()
        for number, (moved_ms, meters, cost, how, later) in enumerate(steps):
            debits = tuple(DEBITS[meter](cost) for meter in sorted(meters))
            await admitted.step(number, moved_ms, debits, (how, later))
        admitted.assert_within_definitions()

    asyncio.run(history())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 900), max_size=60), st.integers(0, 1_999))
def test_restarts_however_many_grant_no_more_than_one_periods_worth_of_a_quota(
    lives: list[int], begins_at: int
) -> None:
    """After each restart all is spent that is there, as late as possible in that life."""
    period = BORN - BORN % QUOTA.period_ms
    now, spent = period + begins_at, 0

    async def history() -> int:
        nonlocal now, spent
        for lived_ms in lives:
            if now == period:  # that life would know the whole period
                now += 1
            store = MemoryLimits(UnixMs(now))
            now += lived_ms
            if now >= period + QUOTA.period_ms:
                break
            for number in range(QUOTA.tokens + 1):
                charge = Charge(id=f"c{number}", now=UnixMs(now), debits=(DEBITS[1](1),))
                spent += isinstance(await store.charge(charge), Granted)
        return spent

    assert asyncio.run(history()) <= QUOTA.tokens
