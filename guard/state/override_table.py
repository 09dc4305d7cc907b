"""Overrides in the database, in force and over. They share the keys' revision: see `halt_table.py`.

Why it is right: there is one in force at most for each rule of each service, since a new one lifts the one before in
its own transaction, under the head. A row goes once it has been over for `KEPT_MS`: nobody needs to hear of it then.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from guard.model.audit import Deed, Subject, Touched
from guard.model.overrides import Override
from guard.state import audit
from guard.state.database import Database
from guard.state.head import locked_head, move_head
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
            known = await _all(connection)
            standing = [each for each in known if each.is_in_force(now)]
            if any(unless(each) for each in standing):
                return ()
            same = [each for each in standing if (each.service, each.rule) == (override.service, override.rule)]
            ended = [(each, msgspec.structs.replace(each, lifted_at=now)) for each in same]
            old = [each.id for each in known if each.until + KEPT_MS < now]
            await connection.execute(delete(OVERRIDES).where(OVERRIDES.c.id.in_(old)))
            return (await _write(connection, [*ended, (None, override)], deed))[-1:]

    async def lift(self, chosen: Callable[[Override], bool], deed: Deed) -> tuple[Override, ...]:
        """Lift those that are in force and chosen, all at once: as they then stand. If none is, nothing is written."""
        now = deed.at
        async with self._database.writing() as connection:
            found = [each for each in await _all(connection) if each.is_in_force(now) and chosen(each)]
            if not found:
                return ()
            return await _write(
                connection, [(each, msgspec.structs.replace(each, lifted_at=now)) for each in found], deed
            )

    async def all(self) -> tuple[Override, ...]:
        """Those in force, and those that are over and still kept, oldest first."""
        async with self._database.reading() as connection:
            return tuple(sorted(await _all(connection), key=lambda each: (each.since, each.revision)))


def override_of(document: str) -> Override:
    """An override as its row holds it."""
    return msgspec.json.decode(document, type=Override)


async def _all(connection: AsyncConnection) -> list[Override]:
    return [override_of(document) for document in await connection.scalars(select(OVERRIDES.c.document))]


async def _write(
    connection: AsyncConnection, changes: Sequence[tuple[Override | None, Override]], deed: Deed
) -> tuple[Override, ...]:
    head = await locked_head(connection)
    revision = head.revision + 1
    await move_head(connection, msgspec.structs.replace(head, revision=revision))
    written = []
    for before, wanted in changes:
        after = msgspec.structs.replace(wanted, revision=revision)
        row = {"id": after.id, "revision": revision, "document": msgspec.json.encode(after).decode()}
        await connection.execute(
            insert(OVERRIDES).values(row)
            if before is None
            else update(OVERRIDES).where(OVERRIDES.c.id == after.id).values(row)
        )
        written.append((before, after))
    await audit.append(connection, deed, [_touched(before, after) for before, after in written], revision)
    return tuple(after for _, after in written)


def _touched(before: Override | None, after: Override) -> Touched:
    return Touched(
        subject=Subject(AUDITED_AS, after.id),
        before=None if before is None else msgspec.to_builtins(before),
        after=msgspec.to_builtins(after),
    )
