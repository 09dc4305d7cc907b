"""The audit trail as rows: who did what, when and why. Written in the transaction of the change itself, so that no
change is without its row and no row without its change. Who may read it is not decided here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from guard.model.keys import KeyRecord
from guard.model.names import KeyId, UnixMs
from guard.state.database import Database
from guard.state.key_rows import view_as_json
from guard.state.sql_schema import AUDIT


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """Who does what to keys, when and why: the part of an audit row that is not the key itself."""

    command: str
    actor: str
    why: str
    at: UnixMs


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One key touched by one deed. `before` and `after` are JSON without material; `before` is None for a new key."""

    number: int
    revision: int
    at: int
    actor: str
    command: str
    why: str
    key_id: str
    before: str | None
    after: str


class AuditTrail:
    """The trail of one database, for reading. Raises DatabaseError if it cannot be read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(self, key_id: KeyId | None = None) -> tuple[AuditRow, ...]:
        """What was done to one key, or to all, oldest first."""
        query = select(AUDIT).order_by(AUDIT.c.number)
        if key_id is not None:
            query = query.where(AUDIT.c.key_id == key_id)
        async with self._database.reading() as connection:
            return tuple(AuditRow(**row) for row in (await connection.execute(query)).mappings())


async def append(
    connection: AsyncConnection, deed: Deed, before: Mapping[KeyId, KeyRecord], after: Sequence[KeyRecord]
) -> None:
    """One row for each key of `after`, in the caller's transaction."""
    await connection.execute(insert(AUDIT), [_row(record, before, deed) for record in after])


def _row(record: KeyRecord, before: Mapping[KeyId, KeyRecord], deed: Deed) -> dict[str, Any]:
    old = before.get(record.id)
    return {
        "revision": record.revision,
        "at": deed.at,
        "actor": deed.actor,
        "command": deed.command,
        "why": deed.why,
        "key_id": record.id,
        "before": None if old is None else view_as_json(old),
        "after": view_as_json(record),
    }
