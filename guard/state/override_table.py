"""Overrides in the database, in force and over. They share the keys' revision: see `followed_rows.py`.

Why it is right: there is one in force at most for each rule of each service, since a new one lifts the one before in
its own transaction, under the head. A row goes once it has been over for `KEPT_MS`: nobody needs to hear of it then.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from sqlalchemy import delete

from guard.model.audit import Deed
from guard.model.overrides import Override
from guard.state.database import Database
from guard.state.followed_rows import all_of, document_of, write
from guard.state.sql_schema import OVERRIDES

AUDITED_AS: Final = "override"
"""The kind of subject that an override is in the audit trail."""

KEPT_MS: Final = 90 * 86_400_000
"""How long a row is kept after its override has ended."""


class OverrideTable:
    """The overrides of one database. Raises DatabaseError if it cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(
        self, override: Override, deed: Deed, *, unless: Callable[[Override], bool] = lambda _: False
    ) -> tuple[Override, ...]:
        """Put it in force in place of the one over the same rule: it as it then stands, with its revision.

        Nobody, and nothing is written, if one that is in force is such that it is not wanted.
        """
        now = deed.at
        async with self._database.writing() as connection:
            known = await all_of(connection, OVERRIDES, Override)
            standing = [each for each in known if each.is_in_force(now)]
            if any(unless(each) for each in standing):
                return ()
            same = [each for each in standing if (each.service, each.rule) == (override.service, override.rule)]
            ended = [(each, msgspec.structs.replace(each, lifted_at=now)) for each in same]
            old = [each.id for each in known if each.until + KEPT_MS < now]
            await connection.execute(delete(OVERRIDES).where(OVERRIDES.c.id.in_(old)))
            changes = [*ended, (None, override)]
            return (await write(connection, OVERRIDES, changes, deed, audited_as=AUDITED_AS))[-1:]

    async def lift(self, chosen: Callable[[Override], bool], deed: Deed) -> tuple[Override, ...]:
        """Lift those that are in force and chosen, all at once: as they then stand. If none is, nothing is written."""
        now = deed.at
        async with self._database.writing() as connection:
            known = await all_of(connection, OVERRIDES, Override)
            found = [each for each in known if each.is_in_force(now) and chosen(each)]
            if not found:
                return ()
            changes = [(each, msgspec.structs.replace(each, lifted_at=now)) for each in found]
            return await write(connection, OVERRIDES, changes, deed, audited_as=AUDITED_AS)

    async def all(self) -> tuple[Override, ...]:
        """Those in force, and those that are over and still kept, oldest first."""
        async with self._database.reading() as connection:
            known = await all_of(connection, OVERRIDES, Override)
            return tuple(sorted(known, key=lambda each: (each.since, each.revision)))


def override_of(document: str) -> Override:
    """An override as its row holds it."""
    return document_of(document, Override)
