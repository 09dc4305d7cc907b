"""From a score to its effect, in numbers."""

import msgspec
import pytest

from guard.core.abuse import replaces, rung_for, strikes, term_ms, too_many, with_guests
from guard.model.abuse import Action, Rung
from guard.model.names import KeyId, UnixMs
from tests.build import LADDER, NOW, ban

_BAN = LADDER[-1]
_DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("points", "action"),
    [
        (0, None),
        (19, None),
        (20, Action.SLOW),
        (39, Action.SLOW),
        (40, Action.THROTTLE),
        (60, Action.QUARANTINE),
        (79, Action.QUARANTINE),
        (80, Action.BAN),
        (9_999, Action.BAN),
    ],
)
def test_the_highest_rung_that_is_reached_counts(points: int, action: Action | None) -> None:
    rung = rung_for(LADDER, points)
    assert (None if rung is None else rung.action) == action


@pytest.mark.parametrize(
    ("strikes_now", "chance", "expected"),
    [
        (1, 0, 108_000),
        (1, 500, 120_000),
        (1, 1000, 132_000),
        (2, 0, 540_000),
        (2, 500, 600_000),
        (3, 1000, 3_960_000),
        (4, 1000, 3_960_000),
        (99, 0, 3_240_000),
    ],
)
def test_terms_grow_with_strikes_to_the_last_and_chance_moves_them_by_a_tenth(
    strikes_now: int, chance: int, expected: int
) -> None:
    assert term_ms(_BAN, strikes_now, chance) == expected


def test_a_milder_rung_has_a_term_without_any_strike() -> None:
    assert term_ms(LADDER[1], 0, 0) == 270_000


def test_the_first_ban_is_the_first_strike_and_milder_effects_are_none() -> None:
    assert strikes(None, _BAN, LADDER, NOW) == 1
    assert strikes(None, LADDER[2], LADDER, NOW) == 0
    assert strikes(ban(strikes=0, action=Action.QUARANTINE), _BAN, LADDER, NOW) == 1


@pytest.mark.parametrize(("clean_days", "expected"), [(0, 4), (6, 4), (7, 3), (14, 2), (21, 1), (700, 1)])
def test_a_strike_is_forgiven_for_each_clean_week(clean_days: int, expected: int) -> None:
    before = ban(strikes=3, until=NOW)
    now = UnixMs(NOW + clean_days * _DAY_MS)
    assert strikes(before, _BAN, LADDER, now) == expected
    assert strikes(before, LADDER[0], LADDER, now) == expected - 1, "what is milder begins another clean time"


def test_without_a_time_to_forgive_nothing_is_forgotten() -> None:
    never = msgspec.structs.replace(_BAN, forgive_ms=0)
    assert strikes(ban(strikes=3, until=NOW), never, (never,), UnixMs(NOW + 700 * _DAY_MS)) == 4


def test_what_an_operator_lifted_was_a_mistake_and_no_strike() -> None:
    assert strikes(ban(strikes=3, lifted_at=NOW), _BAN, LADDER, NOW) == 1


@pytest.mark.parametrize(
    ("rung", "before", "changes"),
    [
        (0, Action.SLOW, False),
        (1, Action.SLOW, True),
        (3, Action.QUARANTINE, True),
        (3, Action.BAN, False),
        (2, Action.BAN, False),
    ],
)
def test_only_what_is_more_severe_takes_the_place_of_what_is_in_force(
    rung: int, before: Action, *, changes: bool
) -> None:
    assert replaces(LADDER[rung], ban(action=before), NOW) is changes


def test_what_is_over_or_lifted_is_replaced_by_anything() -> None:
    assert replaces(LADDER[0], None, NOW)
    assert replaces(LADDER[0], ban(until=NOW), NOW)
    assert replaces(LADDER[0], ban(lifted_at=NOW), NOW)


@pytest.mark.parametrize(
    ("banned", "active", "capped"),
    [
        (0, 0, False),
        (9, 0, False),
        (10, 0, True),
        (10, 200, True),
        (10, 220, False),
        (49, 1000, False),
        (50, 1000, True),
    ],
)
def test_a_share_of_the_active_may_be_banned_and_ten_always(banned: int, active: int, *, capped: bool) -> None:
    assert too_many(banned, active, 5) is capped


def test_guests_are_added_to_those_that_a_ban_has() -> None:
    one, two = KeyId("a"), KeyId("b")
    known = ban(guests=(one,))
    assert with_guests(known, (one, two)).guests == (one, two)
    assert with_guests(known, (one,)) is known


def test_a_ladder_without_rungs_has_no_effect() -> None:
    nothing: tuple[Rung, ...] = ()
    assert rung_for(nothing, 9_999) is None
