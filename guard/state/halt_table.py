"""Halts in the database, in force and lifted. They share the keys' revision: a node follows both with one poll.

Why it is right: see `followed_rows.py`. No row is ever taken away, so whoever asks what changed since a revision hears
of each lifting too.
"""

from collections.abc import Callable

import msgspec

from guard.model.audit import Deed
from guard.model.halts import Halt
from guard.model.names import UnixMs
from guard.state.database import Database
from guard.state.followed_rows import all_of, document_of, write
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
            [written] = await write(connection, HALTS, [(None, halt)], deed, audited_as=AUDITED_AS)
            return written

    async def lift(self, chosen: Callable[[Halt], bool], at: UnixMs, deed: Deed) -> tuple[Halt, ...]:
        """Lift those that are in force and chosen, all at once: as they then stand. If none is, nothing is written."""
        async with self._database.writing() as connection:
            found = [halt for halt in await all_of(connection, HALTS, Halt) if halt.lifted_at is None and chosen(halt)]
            if not found:
                return ()
            changes = [(halt, msgspec.structs.replace(halt, lifted_at=at)) for halt in found]
            return await write(connection, HALTS, changes, deed, audited_as=AUDITED_AS)

    async def all(self) -> tuple[Halt, ...]:
        """Every halt there ever was, oldest first."""
        async with self._database.reading() as connection:
            return tuple(sorted(await all_of(connection, HALTS, Halt), key=lambda halt: (halt.since, halt.id)))


def halt_of(document: str) -> Halt:
    """A halt as its row holds it."""
    return document_of(document, Halt)
