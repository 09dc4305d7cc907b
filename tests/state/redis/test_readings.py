"""Numbers that Redis told, as readings."""

from guard.model.names import UnixMs
from guard.model.policy import Calendar, Slots
from guard.model.questions import Reading
from guard.state.redis.readings import readings
from guard.state.slots import TRY_AGAIN_MS
from tests.contract.limit_store import NOW, charge, debit, limit, metered

DAY_MS = 86_400_000


def test_a_level_is_whole_tokens_and_the_time_to_the_next() -> None:
    read = readings(charge("a", debit(3)), NOW, (1, 7_250, 1), granted=True)
    assert read == (Reading(limit(), 7, 0, 750, short=False, cost=3),)


def test_a_shadow_that_was_not_taken_is_short_and_says_how_long() -> None:
    read = readings(charge("a", debit(8, vetoes=False)), NOW, (0, 7_250, 1), granted=True)
    assert read == (Reading(limit(), 7, 750, 750, short=True, cost=8, vetoes=False),)


def test_two_debits_of_one_bucket_are_short_together() -> None:
    read = readings(charge("a", debit(2), debit(2)), NOW, (0, 3_000, 1, 0, 3_000, 1), granted=False)
    assert [(each.wait_ms, each.short) for each in read] == [(0, False), (1_000, True)]


def test_a_quota_is_what_was_spent_and_since_when_that_is_known() -> None:
    midnight = UnixMs(20_834 * DAY_MS)
    asked = charge("a", debit(3, metered(Calendar(10, DAY_MS))))
    [read] = readings(asked, midnight, (1, 4, 0), granted=True)
    assert (read.remaining, read.next_ms) == (6, DAY_MS)


def test_slots_are_how_many_are_held_and_whether_by_this_one() -> None:
    asked = charge("a", debit(1, metered(Slots(2))))
    [held] = readings(asked, NOW, (1, 2, 1), granted=True)
    assert (held.remaining, held.wait_ms) == (0, 0)
    [full] = readings(asked, NOW, (0, 2, 0), granted=False)
    assert (full.remaining, full.wait_ms) == (0, TRY_AGAIN_MS)
