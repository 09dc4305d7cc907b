"""How an edit of a policy changes what is held. What is taken and told is the store's contract (`tests/contract`)."""

import pytest
from msgspec import structs

from guard.model.names import UnixMs
from guard.model.policy import Bucket, Calendar, Meter, Slots
from guard.model.questions import Debit
from guard.state.holdings import NEVER, HeldBucket, HeldCalendar, HeldSlots, adopted, opened
from tests.build import limit

SINCE, NOW = UnixMs(1_000), UnixMs(2_500)
BUCKET, QUOTA, SLOTS = Bucket(10, 1, 1_000), Calendar(10, 1_000), Slots(2)


def test_what_is_new_knows_only_what_can_have_come_back() -> None:
    assert opened(BUCKET, SINCE, NOW) == HeldBucket(BUCKET, 1_500, NOW)
    assert opened(QUOTA, SINCE, NOW) == HeldCalendar(QUOTA, 0, SINCE, NOW)
    assert opened(SLOTS, SINCE, NOW) == HeldSlots(SLOTS, {}, NEVER)


@pytest.mark.parametrize(
    ("old", "new"), [(BUCKET, Bucket(20, 1, 1_000)), (QUOTA, Calendar(20, 1_000)), (SLOTS, Slots(3))]
)
def test_an_edit_within_a_kind_goes_on_with_what_is_held(old: Meter, new: Meter) -> None:
    held = opened(old, SINCE, NOW)
    assert adopted(held, new, NOW) is held
    assert held.meter == new


@pytest.mark.parametrize("meter", [BUCKET, QUOTA, SLOTS])
def test_an_edit_of_the_kind_knows_nothing_from_before(meter: Meter) -> None:
    kinds: tuple[Meter, ...] = (BUCKET, QUOTA, SLOTS)
    for before in kinds:
        if before != meter:
            assert adopted(opened(before, SINCE, NOW), meter, NOW) == opened(meter, NOW, NOW)


def test_a_lease_makes_the_first_end_known_and_its_end_forgets_it() -> None:
    held = HeldSlots(SLOTS, {}, NEVER)
    held.lease("long", UnixMs(9_000))
    held.lease("short", UnixMs(5_000))
    assert held.first_end == 5_000
    held.settle(UnixMs(5_000))
    assert (held.leases, held.first_end) == ({"long": 9_000}, 9_000)


def test_a_lease_that_is_asked_for_again_lasts_longer_and_is_still_one() -> None:
    held = HeldSlots(SLOTS, {}, NEVER)
    held.lease("a", UnixMs(5_000))
    held.lease("a", UnixMs(9_000))
    held.settle(UnixMs(5_000))
    assert held.leases == {"a": 9_000}
    assert held.take(1, "b")


def test_a_holder_is_never_refused_its_own_slot() -> None:
    held = HeldSlots(Slots(1), {}, NEVER)
    held.lease("a", UnixMs(5_000))
    assert held.take(1, "a")
    assert not held.take(1, "b")


def test_the_last_lease_says_when_slots_may_be_forgotten() -> None:
    held = HeldSlots(SLOTS, {}, NEVER)
    assert held.forget_at(NOW) == NOW
    held.lease("long", UnixMs(9_000))
    held.lease("short", UnixMs(5_000))
    assert held.forget_at(NOW) == 9_000


@pytest.mark.parametrize(("spare", "next_ms"), [(0, 100), (1, 100), (3, 300)])
def test_the_next_token_of_a_quota_is_the_next_beyond_what_is_reserved(spare: int, next_ms: int) -> None:
    held = HeldCalendar(QUOTA, 0, UnixMs(2_100), UnixMs(2_200))
    reading = held.read(Debit(("a",), structs.replace(limit(), meter=QUOTA), 1, spare=spare), 0)
    assert (reading.remaining, reading.next_ms) == (1, next_ms)
