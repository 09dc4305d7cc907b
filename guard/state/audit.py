"""The audit trail as rows: a chain of records that only grows, each holding the hash of the one before, and the signed
checkpoints of it. A record is written in the transaction of the change itself, so that no change is without its record
and no record without its change. Who may read it is not decided here.

The document of a row is stored as it was hashed; its other columns repeat it, to be searched.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import RowMapping, Select, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from guard.model.audit import AuditRecord, Checkpoint, Deed, Subject, Touched
from guard.model.names import UnixMs
from guard.signing.audit_chain import hash_of
from guard.signing.audit_key import AuditKey
from guard.state.database import Database
from guard.state.faults import StateError
from guard.state.head import locked_head, move_head, read_head
from guard.state.sql_schema import AUDIT_CHECKPOINTS, AUDIT_RECORDS
from guard.wire.audit_lines import DOCUMENT_BYTES_MAX, checkpoint_line, document_of, record_line, value_of

_ROWS_AT_ONCE = 1000


class StoredRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row: the record's document and hash, and what its other columns repeat of it."""

    number: int
    revision: int | None
    subject: Subject
    document: bytes
    hash: str

    def line(self) -> bytes:
        """The record as a line of an export."""
        return record_line(self.document, self.hash)


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """How far a trail reached at one moment: its records, the hash of the last, the number of the last checkpoint."""

    records: int
    hash: str
    checkpoint: int


class AuditTrail:
    """The trail of one database. Raises DatabaseError if it cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append_event(self, deed: Deed, *touched: Touched) -> None:
        """Record what changes nothing else in the database, such as a sign-in."""
        async with self._database.writing() as connection:
            await append(connection, deed, touched)

    async def records(self, subject: Subject | None = None) -> tuple[AuditRecord, ...]:
        """What was done to one subject, or to all, oldest first."""
        return tuple([_record(row) async for row in self._rows(_all_records(subject))])

    async def extent(self) -> Extent:
        """How far it reaches now. What the checkpoints count is within it, since they are looked at first."""
        async with self._database.reading() as connection:
            reached = await connection.scalar(select(func.max(AUDIT_CHECKPOINTS.c.number)))
            head = await read_head(connection)
        return Extent(records=head.records, hash=head.hash, checkpoint=reached or 0)

    async def stored_records(self, extent: Extent) -> AsyncIterator[StoredRecord]:
        """Its records, oldest first, a thousand in memory at a time."""
        query = select(AUDIT_RECORDS).where(AUDIT_RECORDS.c.number <= extent.records)
        async for row in self._rows(query):
            yield StoredRecord(
                number=row["number"],
                revision=row["revision"],
                subject=Subject(row["subject_kind"], row["subject_id"]),
                document=row["document"],
                hash=row["hash"],
            )

    async def checkpoint_lines(self, extent: Extent) -> AsyncIterator[bytes]:
        """Its checkpoints as lines, in the order in which they were signed."""
        query = select(AUDIT_CHECKPOINTS).where(AUDIT_CHECKPOINTS.c.number <= extent.checkpoint)
        async for row in self._rows(query):
            yield checkpoint_line(row["document"], row["signature"])

    async def sign(self, key: AuditKey, now: UnixMs) -> bytes | None:
        """Sign where the chain ends, and keep the checkpoint: its line. None if this key has signed that already."""
        async with self._database.reading() as connection:
            if await _signed(connection, key.id, (await read_head(connection)).records):
                return None
        async with self._database.writing() as connection:
            head = await locked_head(connection)
            if await _signed(connection, key.id, head.records):  # knockout: checkpoint_is_new
                return None
            document = document_of(Checkpoint(count=head.records, hash=head.hash, at_ms=now, key=key.id))
            signature = key.signature(document)
            row = {"count": head.records, "key_id": key.id, "document": document, "signature": signature}
            await connection.execute(insert(AUDIT_CHECKPOINTS), [row])
        return checkpoint_line(document, signature)

    async def _rows(self, query: Select[Any]) -> AsyncIterator[RowMapping]:
        """The rows of a table that only grows, by their column `number`. Nothing stays open between two pages."""
        number = query.selected_columns["number"]
        reached = 0
        while True:
            page = query.where(number > reached).order_by(number).limit(_ROWS_AT_ONCE)
            async with self._database.reading() as connection:
                rows = (await connection.execute(page)).mappings().all()
            for row in rows:
                yield row
            if len(rows) < _ROWS_AT_ONCE:
                return
            reached = rows[-1]["number"]


async def append(
    connection: AsyncConnection, deed: Deed, touched: Sequence[Touched], revision: int | None = None
) -> None:
    """One record for each subject of `touched`, in the caller's transaction, which writes."""
    head = await locked_head(connection)
    number, previous = head.records, head.hash
    rows = []
    for each in touched:
        number += 1
        document = document_of(_told(each, deed, number=number, previous=previous, revision=revision))
        if len(document) > DOCUMENT_BYTES_MAX:  # knockout: record_can_be_read_again
            raise StateError(f"the audit record of {deed.command} would be longer than {DOCUMENT_BYTES_MAX} bytes")
        previous = hash_of(document)
        rows.append(
            {
                "number": number,
                "revision": revision,
                "subject_kind": each.subject.kind,
                "subject_id": each.subject.id,
                "document": document,
                "hash": previous,
            }
        )
    if rows:
        await connection.execute(insert(AUDIT_RECORDS), rows)
        await move_head(connection, msgspec.structs.replace(head, records=number, hash=previous))


def _told(each: Touched, deed: Deed, *, number: int, previous: str, revision: int | None) -> AuditRecord:
    return AuditRecord(
        number=number,
        previous=previous,
        revision=revision,
        at_ms=deed.at,
        actor=deed.actor,
        origin=deed.origin,
        command=deed.command,
        subject=each.subject,
        why=deed.why,
        before=None if each.before is None else dict(each.before),
        after=None if each.after is None else dict(each.after),
    )


def _all_records(subject: Subject | None) -> Select[Any]:
    query = select(AUDIT_RECORDS)
    if subject is None:
        return query
    return query.where(AUDIT_RECORDS.c.subject_kind == subject.kind, AUDIT_RECORDS.c.subject_id == subject.id)


def _record(row: RowMapping) -> AuditRecord:
    record = value_of(row["document"], AuditRecord)
    if record is None:
        raise StateError(f"audit record {row['number']} cannot be read: `guard audit verify` says what is broken")
    return record


async def _signed(connection: AsyncConnection, key_id: str, count: int) -> bool:
    """Whether this key has signed this many records; nobody signs none."""
    signed = select(AUDIT_CHECKPOINTS.c.number).where(
        AUDIT_CHECKPOINTS.c.count == count, AUDIT_CHECKPOINTS.c.key_id == key_id
    )
    return count == 0 or (await connection.scalar(signed.limit(1))) is not None
