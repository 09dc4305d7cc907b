"""Rows that nodes follow by revision, each a document: what halts, bans and overrides have in common, and no more.

Why it is right: the rows, their audit records and the next revision are written in one transaction under the head, as a
change of keys is (`key_table.py`), so whoever asks what changed since a revision hears of each of them.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
from sqlalchemy import Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from guard.model.audit import Deed, Subject, Touched
from guard.model.bans import Ban
from guard.model.halts import Halt
from guard.model.overrides import Override
from guard.state import audit
from guard.state.head import locked_head, move_head

Row = TypeVar("Row", Halt, Ban, Override)


async def all_of(connection: AsyncConnection, table: Table, kind: type[Row]) -> list[Row]:
    """Every row of the table, in no order."""
    return [document_of(document, kind) for document in await connection.scalars(select(table.c.document))]


def document_of(document: str, kind: type[Row]) -> Row:
    """What a row holds."""
    return msgspec.json.decode(document, type=kind)


async def write(
    connection: AsyncConnection,
    table: Table,
    changes: Sequence[tuple[Row | None, Row]],
    deed: Deed,
    *,
    audited_as: str,
    is_told: Callable[[Row], bool] = lambda _: True,
) -> tuple[Row, ...]:
    """Write each row in place of what it was before (None: it is new), under the next revision: as they then stand.

    `is_told` says which of them stand in the audit trail, as subjects of the kind `audited_as`.
    """
    head = await locked_head(connection)
    revision = head.revision + 1
    await move_head(connection, msgspec.structs.replace(head, revision=revision))
    written: list[Row] = []
    told: list[Touched] = []
    for before, wanted in changes:
        after = msgspec.structs.replace(wanted, revision=revision)
        row = {"id": after.id, "revision": revision, "document": msgspec.json.encode(after).decode()}
        await connection.execute(
            insert(table).values(row) if before is None else update(table).where(table.c.id == after.id).values(row)
        )
        written.append(after)
        if is_told(after):
            plain = None if before is None else msgspec.to_builtins(before)
            told.append(Touched(subject=Subject(audited_as, after.id), before=plain, after=msgspec.to_builtins(after)))
    if told:
        await audit.append(connection, deed, told, revision)
    return tuple(written)
