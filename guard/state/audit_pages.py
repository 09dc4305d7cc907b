"""The audit trail as lists, page by page, newest first. Who did what, and when, stands in the documents alone: a
page may have to look at more records than it returns. It looks at a bounded number, and then says where to go on.
"""

import msgspec
from sqlalchemy import select

from guard.model.audit import AuditRecord
from guard.state.database import Database
from guard.state.faults import StateError
from guard.state.sql_schema import AUDIT_RECORDS as RECORDS
from guard.wire.audit_lines import value_of

ROWS_MAX = 5000


class RecordFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which records are meant; None means any. `since_ms` is inclusive, `until_ms` not."""

    kind: str | None = None
    subject: str | None = None
    actor: str | None = None
    command: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def takes(self, record: AuditRecord) -> bool:
        """Whether this record is meant, as far as its columns do not tell."""
        return (
            self.actor in (None, record.actor)
            and self.command in (None, record.command)
            and (self.since_ms is None or record.at_ms >= self.since_ms)
            and (self.until_ms is None or record.at_ms < self.until_ms)
        )


class RecordPage(msgspec.Struct, frozen=True, kw_only=True):
    """`next` is where to go on; None if there is no more."""

    records: tuple[AuditRecord, ...]
    next: int | None


async def record_page(
    database: Database, wanted: RecordFilter, *, before: int | None, count_max: int, rows_max: int = ROWS_MAX
) -> RecordPage:
    """At most `count_max` records with a lower number than `before`. Raises StateError if they cannot be read."""
    query = select(RECORDS.c.number, RECORDS.c.document).order_by(RECORDS.c.number.desc()).limit(rows_max)
    if before is not None:
        query = query.where(RECORDS.c.number < before)
    if wanted.kind is not None:
        query = query.where(RECORDS.c.subject_kind == wanted.kind)
    if wanted.subject is not None:
        query = query.where(RECORDS.c.subject_id == wanted.subject)
    async with database.reading() as connection:
        rows = (await connection.execute(query)).all()
    found: list[AuditRecord] = []
    for number, document in rows:
        record = value_of(document, AuditRecord)
        if record is None:
            raise StateError(f"audit record {number} cannot be read: `guard audit verify` says what is broken")
        if wanted.takes(record):
            found.append(record)
        if len(found) == count_max:
            return RecordPage(records=tuple(found), next=number)
    return RecordPage(records=tuple(found), next=rows[-1][0] if len(rows) == rows_max else None)
