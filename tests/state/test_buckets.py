"""What the table of buckets forgets, and when. What it answers is the store's contract (`tests/contract`)."""

from guard.model.names import UnixMs
from guard.model.questions import Granted, Short
from guard.state.buckets import Buckets
from tests.contract.limit_store import BORN, NOW, debit, limit


def at(later_ms: int) -> UnixMs:
    return UnixMs(NOW + later_ms)


def test_bucket_is_dropped_once_full_and_not_before() -> None:
    buckets = Buckets(BORN)
    buckets.take((debit(3),), at(0))
    buckets.sweep(at(2_999), 10)
    assert len(buckets) == 1
    buckets.sweep(at(3_000 + 1_024), 10)
    assert len(buckets) == 0


def test_dropped_bucket_is_full_when_it_comes_back() -> None:
    buckets = Buckets(BORN)
    buckets.take((debit(3),), at(0))
    for later_ms in (2_000, 10_000):
        buckets.sweep(at(later_ms), 10)
    assert len(buckets) == 0
    assert isinstance(buckets.take((debit(10),), at(10_000)), Granted)


def test_bucket_that_never_refills_is_never_forgotten() -> None:
    buckets, fixed = Buckets(BORN), debit(1, limit(capacity=1, refill_tokens=0))
    assert isinstance(buckets.take((fixed,), at(0)), Short)
    buckets.sweep(at(10**12), 10)
    assert len(buckets) == 1


def test_sweep_looks_at_no_more_than_it_may() -> None:
    buckets = Buckets(BORN)
    for number in range(10):
        buckets.take((debit(1, bucket=(str(number),)),), at(0))
    buckets.sweep(at(60_000), 3)
    assert len(buckets) == 7


def test_missing_counts_each_new_bucket_once() -> None:
    buckets = Buckets(BORN)
    buckets.take((debit(bucket=("known",)),), at(0))
    asked = (debit(bucket=("known",)), debit(bucket=("new",)), debit(bucket=("new",)), debit(bucket=("newer",)))
    assert buckets.missing(asked) == 2


def test_equal_rules_of_two_loads_of_a_policy_leave_the_level_alone() -> None:
    buckets = Buckets(BORN)
    buckets.take((debit(3, limit()),), at(0))
    answer = buckets.take((debit(1, limit()),), at(0))
    assert answer.readings[0].remaining == 6


def test_refund_of_a_bucket_that_was_dropped_leaves_it_full() -> None:
    buckets = Buckets(BORN)
    spent = (debit(3),)
    granted = buckets.take(spent, at(0))
    buckets.sweep(at(1_024), 10)
    buckets.sweep(at(5_000), 10)
    buckets.give_back(spent, granted.readings, at(5_000))
    assert isinstance(buckets.take((debit(11),), at(5_000)), Short)
    assert isinstance(buckets.take((debit(10),), at(5_000)), Granted)
