"""The auditor's line: the trail of a database verified against itself and what was signed, and written out.

What makes a trail whole is `signing/audit_chain.py`; here it meets the database, whose rows repeat what records say.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from guard.model.audit import AuditRecord
from guard.signing.audit_chain import Broken, ChainReader, Whole
from guard.state.audit import AuditTrail, StoredRecord

Progress = Callable[[int], object]


async def verify_trail(
    trail: AuditTrail, keys: Mapping[str, bytes], elsewhere: Iterable[bytes], progress: Progress
) -> Whole | Broken:
    """Whether the trail of this database is whole. `elsewhere` are lines of checkpoints that were kept apart."""
    extent = await trail.extent()
    reader = ChainReader(keys)
    async for stored in trail.stored_records(extent):
        broken = reader.read(stored.line()) or _row_fault(stored, reader.record)
        if broken is not None:
            return broken
        progress(stored.number)
    read = reader.end()
    if (read.records, read.hash) != (extent.records, extent.hash):
        return Broken(
            None, f"the tail was cut off: the database counts {extent.records} records, {read.records} are there"
        )
    async for line in trail.checkpoint_lines(extent):
        broken = reader.read(line)
        if broken is not None:
            return broken
    for line in elsewhere:
        broken = reader.read(line)
        if broken is not None:
            return broken
    return reader.end()


async def export_trail(trail: AuditTrail) -> AsyncIterator[bytes]:
    """Records, then checkpoints, as lines without their ends."""
    extent = await trail.extent()
    async for stored in trail.stored_records(extent):
        yield stored.line()
    async for line in trail.checkpoint_lines(extent):
        yield line


def _row_fault(stored: StoredRecord, record: AuditRecord | None) -> Broken | None:
    told = None if record is None else (record.number, record.revision, record.subject)
    if told == (stored.number, stored.revision, stored.subject):
        return None
    return Broken(stored.number, f"the row of record {stored.number} says other than the record: it was changed")
