"""The one row that every change locks and moves: the revision of the keys, the end of the audit chain, and which key
seals secrets.

Why it is right: whoever writes holds this row before reading what it builds on, until the commit. So no two changes get
one revision, and no two records follow the same one, on however many nodes.
"""

from typing import Any

import msgspec
from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from guard.state.sql_schema import HEAD


class Head(msgspec.Struct, frozen=True):
    """The revision of the last change, how many audit records there are, and the hash of the last one.

    `sealing_id` is the key-encryption key that seals; None until somebody opens the database with one.
    """

    revision: int
    records: int
    hash: str
    sealing_id: str | None = None


async def read_head(connection: AsyncConnection) -> Head:
    """The head as this transaction sees it."""
    return await _found(connection, select(HEAD))


async def locked_head(connection: AsyncConnection) -> Head:
    """The head, held until the transaction ends. Only in a transaction that writes."""
    return await _found(connection, select(HEAD).with_for_update())


async def move_head(connection: AsyncConnection, head: Head) -> None:
    """Write it."""
    values = {"revision": head.revision, "audit_records": head.records, "audit_hash": head.hash}
    await connection.execute(update(HEAD).values(values | {"sealing_id": head.sealing_id}))


async def _found(connection: AsyncConnection, query: Select[Any]) -> Head:
    row = (await connection.execute(query)).mappings().one()
    return Head(row["revision"], row["audit_records"], row["audit_hash"], row["sealing_id"])
