"""Bans in the database: one row for each subject that ever had one. They are written as `followed_rows.py` says.

Why it is right: what a policy's ladder did is written in batches, each one transaction under the head; what is only
recorded (shadow) leaves no trace in the audit trail, so that no crowd of strangers can fill it. A row stays when a ban
is over, since the next one is longer for it; it goes once it is as old as `KEPT_MS`.
"""

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from guard.model.audit import Deed
from guard.model.bans import Ban, BanId
from guard.model.names import UnixMs
from guard.state.database import Database
from guard.state.followed_rows import all_of, document_of, write
from guard.state.sql_schema import BANS

AUDITED_AS: Final = "ban"
"""The kind of subject that a ban is in the audit trail."""

KEPT_MS: Final = 90 * 86_400_000
"""How long a row is kept after its ban has ended."""

Change = Callable[[Ban], Ban | None]


class BanTable:
    """The bans of one database. Raises DatabaseError if it cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, bans: Sequence[Ban], deed: Deed) -> tuple[Ban, ...]:
        """Put these in force, each in place of the row of its id: as they then stand, with their revision.

        What a ladder did takes the place of nothing more severe that is in force: nodes that share a score may come to
        several of its rungs at once, and write them in any order. Nor does it end sooner than what was.
        """
        async with self._database.writing() as connection:
            known = {ban.id: ban for ban in await _among(connection, [ban.id for ban in bans])}
            pairs = [(known.get(ban.id), ban) for ban in bans]
            wanted = [
                (before, ban if ban.rule is None else ban.instead_of(before))
                for before, ban in pairs
                if not _is_outdone(ban, before)
            ]
            return await _write(connection, wanted, deed) if wanted else ()

    async def change(self, change: Change, deed: Deed) -> tuple[Ban, ...]:
        """Put in place of each row what `change` makes of it, None leaving it: all those that changed."""
        async with self._database.writing() as connection:
            found = [(ban, change(ban)) for ban in await all_of(connection, BANS, Ban)]
            wanted = [(before, after) for before, after in found if after is not None]
            return await _write(connection, wanted, deed) if wanted else ()

    async def all(self) -> tuple[Ban, ...]:
        """Every one that is known, those in force and those that are over, oldest first."""
        async with self._database.reading() as connection:
            return tuple(sorted(await all_of(connection, BANS, Ban), key=lambda ban: (ban.since, ban.id)))

    async def prune(self, now: UnixMs) -> None:
        """Forget those that ended longer ago than they are kept."""
        async with self._database.writing() as connection:
            known = await all_of(connection, BANS, Ban)
            old = [ban.id for ban in known if ban.until + KEPT_MS < now]
            await connection.execute(delete(BANS).where(BANS.c.id.in_(old)))


def ban_of(document: str) -> Ban:
    """A ban as its row holds it."""
    return document_of(document, Ban)


def _is_outdone(ban: Ban, before: Ban | None) -> bool:
    if ban.rule is not None and before is not None and before.is_in_force(ban.since):  # knockout: milder_is_not_written
        return before.action.severity > ban.action.severity
    return False


async def _among(connection: AsyncConnection, ids: Sequence[BanId]) -> list[Ban]:
    query = select(BANS.c.document).where(BANS.c.id.in_(ids))
    return [ban_of(document) for document in await connection.scalars(query)]


async def _write(connection: AsyncConnection, changes: Sequence[tuple[Ban | None, Ban]], deed: Deed) -> tuple[Ban, ...]:
    return await write(connection, BANS, changes, deed, audited_as=AUDITED_AS, is_told=lambda ban: not ban.is_shadow)
