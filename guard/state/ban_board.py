"""The bans that one node follows, in memory: those of the database as of its last poll, and its own from the moment it
makes them. Looking one up waits for nothing, and finds nothing on almost every day.

Why it is right: a row never replaces a newer one, and what this node made itself is in force until the database says
otherwise; a revision that is not 0 always counts as newer than one that is.
"""

from collections.abc import Callable
from typing import Final

from guard.model.abuse import Action
from guard.model.bans import NO_BANS, Ban, BanId, Bans, bans_of
from guard.model.names import UnixMs

ROWS_MAX: Final = 20_000
"""Beyond so many, what would only be recorded is not: a record is no reason to run out of memory."""


class BanBoard:
    """`on_ban` hears of each ban that came into force here or was changed."""

    def __init__(self, rows_max: int = ROWS_MAX) -> None:
        self.bans: Bans = NO_BANS
        self.on_ban: Callable[[tuple[Ban, ...]], object] = lambda _: None
        self._rows_max = rows_max
        self._known: dict[BanId, Ban] = {}
        self._pending: dict[BanId, Ban] = {}

    def of(self, ban_id: BanId) -> Ban | None:
        """The row of this id, whether in force or over."""
        return self._known.get(ban_id)

    def put(self, ban: Ban, now: UnixMs) -> bool:
        """In force here from now on; to be written to the database, unless it is over too soon for that to matter."""
        if ban.is_shadow and len(self._known) >= self._rows_max:  # knockout: shadow_bans_max
            return False
        self._known[ban.id] = ban
        if ban.action is not Action.SLOW:
            self._pending[ban.id] = ban
        self._see(now)
        self.on_ban((ban,))
        return True

    def take(self, changed: tuple[Ban, ...], now: UnixMs) -> tuple[Ban, ...]:
        """What the database says: those that are news here."""
        newer = []
        for ban in changed:
            known = self._known.get(ban.id)
            if known is not None and known.revision >= ban.revision:  # knockout: newer_ban_stays
                continue
            self._known[ban.id] = ban
            newer.append(ban)
        if newer:
            self._see(now)
            self.on_ban(tuple(newer))
        return tuple(newer)

    def pending(self) -> tuple[Ban, ...]:
        """What is to be written, once; `failed` follows if that cannot be done."""
        taken, self._pending = tuple(self._pending.values()), {}
        return taken

    def failed(self, bans: tuple[Ban, ...]) -> None:
        """They could not be written: again, unless they were replaced meanwhile."""
        self._pending = {ban.id: ban for ban in bans} | self._pending

    def banned(self, now: UnixMs) -> int:
        """How many subjects are banned in earnest by policies."""
        return sum(
            ban.action is Action.BAN and ban.rule is not None and not ban.is_shadow and ban.is_in_force(now)
            for ban in self._known.values()
        )

    def sweep(self, now: UnixMs, kept_ms: int) -> None:
        """Look up only what is in force still; forget what ended longer ago than its row is kept."""
        self._known = {
            ban_id: ban
            for ban_id, ban in self._known.items()
            if ban.is_in_force(now) or (now - ban.until < kept_ms and not _is_fleeting(ban))
        }
        self._see(now)

    def _see(self, now: UnixMs) -> None:
        self.bans = bans_of(ban for ban in self._known.values() if ban.is_in_force(now))


def _is_fleeting(ban: Ban) -> bool:
    """Whether nothing follows from it once it is over: what made wait keeps the strikes of the bans before it."""
    return ban.is_shadow or (ban.action is Action.SLOW and not ban.strikes)
