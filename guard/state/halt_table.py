"""Halts in the database, in force and lifted. They share the keys' revision: a node follows both with one poll.

Why it is right: a halt, its audit record and the next revision are written in one transaction under the head, as a
change of keys is (`key_table.py`). No row is ever taken away, so whoever asks what changed since a revision hears of
each lifting too.
"""

from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from guard.model.audit import Deed, Subject, Touched
from guard.model.halts import Halt
from guard.model.names import UnixMs
from guard.state import audit
from guard.state.database import Database
from guard.state.head import locked_head, move_head
from guard.state.sql_schema import HALTS

AUDITED_AS = "halt"
"""The kind of subject that a halt is in the audit trail."""


class HaltTable:
    """The halts of one database. Raises DatabaseError if it cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, halt: Halt, deed: Deed) -> Halt:
        """Put it in force: as it then stands, with its revision."""
        async with self._database.writing() as connection:
            [written] = await _write(connection, [(None, halt)], deed)
            return written

    async def lift(self, chosen: Callable[[Halt], bool], at: UnixMs, deed: Deed) -> tuple[Halt, ...]:
        """Lift those that are in force and chosen, all at once: as they then stand. If none is, nothing is written."""
        async with self._database.writing() as connection:
            found = [halt for halt in await _all(connection) if halt.lifted_at is None and chosen(halt)]
            if not found:
                return ()
            changes = [(halt, msgspec.structs.replace(halt, lifted_at=at)) for halt in found]
            return await _write(connection, changes, deed)

    async def all(self) -> tuple[Halt, ...]:
        """Every halt there ever was, oldest first."""
        async with self._database.reading() as connection:
            return tuple(sorted(await _all(connection), key=lambda halt: (halt.since, halt.id)))


def halt_of(document: str) -> Halt:
    """A halt as its row holds it."""
    return msgspec.json.decode(document, type=Halt)


async def _all(connection: AsyncConnection) -> list[Halt]:
    return [halt_of(document) for document in await connection.scalars(select(HALTS.c.document))]


async def _write(
    connection: AsyncConnection, changes: Sequence[tuple[Halt | None, Halt]], deed: Deed
) -> tuple[Halt, ...]:
    head = await locked_head(connection)
    revision = head.revision + 1
    await move_head(connection, msgspec.structs.replace(head, revision=revision))
    written = []
    for before, wanted in changes:
        after = msgspec.structs.replace(wanted, revision=revision)
        row = {"id": after.id, "revision": revision, "document": msgspec.json.encode(after).decode()}
        await connection.execute(
            insert(HALTS).values(row) if before is None else update(HALTS).where(HALTS.c.id == after.id).values(row)
        )
        written.append((before, after))
    await audit.append(connection, deed, [_touched(before, after) for before, after in written], revision)
    return tuple(after for _, after in written)


def _touched(before: Halt | None, after: Halt) -> Touched:
    return Touched(
        subject=Subject(AUDITED_AS, after.id),
        before=None if before is None else msgspec.to_builtins(before),
        after=msgspec.to_builtins(after),
    )
