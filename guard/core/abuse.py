"""What follows from a score: which rung of the ladder it reaches, for how long, and whether too many are banned.

Pure: chance is handed in as a number. What is counted and how a score decays is `state/scoring.py`.
"""

from typing import Final

from msgspec import structs

from guard.model.abuse import Action, Rung
from guard.model.bans import Ban
from guard.model.names import KeyId, UnixMs

JITTER_PERCENT: Final = 10
"""So much longer or shorter a term is, so that nobody can compute the second of their release."""

BANNED_ALWAYS: Final = 10
"""So many may be banned whatever share of all that is: a share of few would be nobody."""

CHANCES: Final = 1001
"""An odd number, so that the one in the middle changes nothing."""

_PERCENT: Final = 100


def rung_for(ladder: tuple[Rung, ...], points: int) -> Rung | None:
    """The highest rung that a score reaches."""
    reached = None
    for rung in ladder:
        if points >= rung.at:
            reached = rung
    return reached


def strikes(before: Ban | None, rung: Rung, ladder: tuple[Rung, ...], now: UnixMs) -> int:
    """How many bans, this one included if it is one. For each clean period since the last effect, one is forgiven: the
    rung's own, or that of the highest one.

    What an operator lifted does not count: it was a mistake.
    """
    forgive_ms = rung.forgive_ms or ladder[-1].forgive_ms
    known = 0 if before is None or before.lifted_at is not None else before.strikes
    clean_ms = 0 if before is None else max(0, now - before.until)
    forgiven = clean_ms // forgive_ms if forgive_ms else 0
    return max(0, known - forgiven) + (rung.action is Action.BAN)


def term_ms(rung: Rung, strikes_now: int, chance: int) -> int:
    """How long, by the strikes. `chance` is below CHANCES: it makes the term up to 10 % shorter or longer."""
    term = rung.terms_ms[max(0, min(strikes_now, len(rung.terms_ms)) - 1)]
    spread = term * JITTER_PERCENT // _PERCENT
    return term - spread + 2 * spread * (chance % CHANCES) // (CHANCES - 1)


def replaces(rung: Rung, before: Ban | None, now: UnixMs) -> bool:
    """Whether a rung that was reached changes anything: what is in force already and no milder stays as it is."""
    if before is None or not before.is_in_force(now):
        return True
    return rung.action.severity > before.action.severity


def with_guests(ban: Ban, guests: tuple[KeyId, ...]) -> Ban:
    """The same, letting in these keys beside those that it lets in already."""
    more = tuple(key for key in guests if key not in ban.guests)
    return structs.replace(ban, guests=(*ban.guests, *more)) if more else ban


def too_many(banned: int, active: int, percent: int) -> bool:
    """Whether one ban more would be above the share of the active subjects that may be banned."""
    return banned >= max(BANNED_ALWAYS, active * percent // _PERCENT)
