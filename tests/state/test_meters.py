"""What the table of meters forgets, and when. What it answers is the store's contract (`tests/contract`)."""

import pytest

from guard.model.names import UnixMs
from guard.model.questions import Debit, Granted, Short
from guard.state.meters import Meters
from tests.contract.calendar_quota import DAY_MS, HOUR_MS, MIDNIGHT, TEN, daily, hourly
from tests.contract.limit_store import BORN, NOW, charge, debit, limit
from tests.contract.slots import HOLD_MS, holding, slot


def at(later_ms: int) -> UnixMs:
    return UnixMs(NOW + later_ms)


def take(meters: Meters, *debits: Debit, now: int = NOW) -> Granted | Short:
    return meters.take(charge("c", *debits), UnixMs(now))


def test_bucket_is_dropped_once_full_and_not_before() -> None:
    meters = Meters(BORN)
    take(meters, debit(3))
    meters.sweep(at(2_999), 10)
    assert len(meters) == 1
    meters.sweep(at(3_000 + 1_024), 10)
    assert len(meters) == 0


def test_dropped_bucket_is_full_when_it_comes_back() -> None:
    meters = Meters(BORN)
    take(meters, debit(3))
    for later_ms in (2_000, 10_000):
        meters.sweep(at(later_ms), 10)
    assert len(meters) == 0
    assert isinstance(take(meters, debit(10), now=NOW + 10_000), Granted)


def test_bucket_that_never_refills_is_never_forgotten() -> None:
    meters, fixed = Meters(BORN), debit(1, limit(capacity=1, refill_tokens=0))
    assert isinstance(take(meters, fixed), Short)
    for later_ms in (10**12, 10**13):
        meters.sweep(at(later_ms), 10)
    assert len(meters) == 1


def test_quota_is_dropped_once_its_period_has_ended_and_not_before() -> None:
    meters = Meters(BORN)
    take(meters, daily(3), now=TEN)
    for now in (TEN + 2_000, MIDNIGHT + DAY_MS - 1):
        meters.sweep(UnixMs(now), 10)
        assert len(meters) == 1
    meters.sweep(UnixMs(MIDNIGHT + DAY_MS + 1_024), 10)
    assert len(meters) == 0


def test_quota_of_which_nothing_is_spent_is_dropped_before_its_period_ends() -> None:
    meters = Meters(BORN)
    take(meters, daily(0), now=TEN)
    meters.sweep(UnixMs(TEN + 2_000), 10)
    assert len(meters) == 0


def test_quota_that_is_half_known_is_not_dropped_before_its_period_ends() -> None:
    meters = Meters(BORN)
    half_past = TEN + HOUR_MS // 2
    take(meters, debit(1), now=half_past)
    take(meters, hourly(0), now=half_past)
    meters.sweep(UnixMs(half_past + 2_000), 10)
    assert isinstance(take(meters, hourly(10), now=half_past + 2_000), Short)
    meters.sweep(UnixMs(TEN + HOUR_MS + 1_024), 10)
    assert len(meters) == 0


@pytest.mark.parametrize("released", [True, False])
def test_slots_are_dropped_once_nobody_holds_any_and_not_before(*, released: bool) -> None:
    meters, held = Meters(BORN), holding("a")
    meters.take(held, NOW)
    meters.sweep(at(2_000), 10)
    assert len(meters) == 1
    if released:
        meters.release(held)
    meters.sweep(at(HOLD_MS + 2_048), 10)
    assert len(meters) == 0


def test_refused_charge_leaves_no_lease_to_remember() -> None:
    meters = Meters(BORN)
    meters.take(holding("a", slot(), debit(11)), NOW)
    meters.sweep(at(2_000), 10)
    assert len(meters) == 0


def test_sweep_looks_at_no_more_than_it_may() -> None:
    meters = Meters(BORN)
    for number in range(10):
        take(meters, debit(1, bucket=(str(number),)))
    meters.sweep(at(60_000), 3)
    assert len(meters) == 7


def test_missing_counts_each_new_meter_once() -> None:
    meters = Meters(BORN)
    take(meters, debit(bucket=("known",)))
    asked = (debit(bucket=("known",)), debit(bucket=("new",)), debit(bucket=("new",)), debit(bucket=("newer",)))
    assert meters.missing(asked) == 2


def test_equal_rules_of_two_loads_of_a_policy_leave_the_level_alone() -> None:
    meters = Meters(BORN)
    take(meters, debit(3, limit()))
    assert take(meters, debit(1, limit())).readings[0].remaining == 6


def test_sweep_does_not_count_time_by_a_rule_that_is_edited_afterwards() -> None:
    meters, fast = Meters(BORN), limit(refill_tokens=5)
    take(meters, debit(10, fast))
    meters.sweep(at(1_024), 10)
    assert isinstance(take(meters, debit(2), now=NOW + 1_024), Short)


def test_refund_of_a_bucket_that_was_dropped_makes_none() -> None:
    meters, spent = Meters(BORN), charge("a", debit(3))
    granted = meters.take(spent, NOW)
    assert isinstance(granted, Granted)
    for later_ms in (1_024, 5_000):
        meters.sweep(at(later_ms), 10)
    meters.give_back(spent, granted, at(5_000))
    assert len(meters) == 0


def test_release_of_slots_that_were_dropped_makes_none() -> None:
    meters = Meters(BORN)
    meters.release(holding("a"))
    assert len(meters) == 0
