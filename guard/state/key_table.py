"""Key records in the database, and the revision of the last change: through SQLAlchemy Core.

Why it is right: every change of keys, its audit rows and the next revision are written in one transaction, and no two
writers run beside each other (`database.py`). So no two changes have one revision, and whoever reads a revision sees
every change up to it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from sqlalchemy import BigInteger, bindparam, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from guard.model.audit import Deed, Subject, Touched
from guard.model.keys import KeyRecord, KeyState
from guard.model.names import KeyId, UnixMs
from guard.state import audit
from guard.state.database import Also, Database, nothing_else
from guard.state.directory import Poll
from guard.state.halt_table import halt_of
from guard.state.head import locked_head, move_head, read_head
from guard.state.key_rows import bare, from_row, to_row, view_as_json
from guard.state.poll import poll_in, poll_query
from guard.state.sealing import SealingKey
from guard.state.sql_schema import HALTS, KEYS

AUDITED_AS = "key"
"""The kind of subject that a key is in the audit trail."""

POLL_DEADLINE_S = 2.0
"""How long a poll waits for its answer. On a connection that took the place of a broken one the first takes two round
trips, of half a second each if the database is slow; it holds up no other meanwhile.
"""

_NOTHING_SINCE = (1 << 63) - 1

_LAST_USED_DEADLINE_S = 5.0
_IDS_PER_QUERY = 500
_ROWS_AT_ONCE = 2000
_AUDIT_RECORDS_AT_ONCE = 1000


class KeyTable:
    """The keys of one database. Raises DatabaseError if it cannot be used, SealingError if a secret cannot."""

    def __init__(self, database: Database, sealing: SealingKey) -> None:
        self._database = database
        self._sealing = sealing
        self._poll = poll_query(database.clock_ms)

    async def warm(self) -> None:
        """Have each connection know what is polled, so that no poll takes longer than a round trip."""
        await self._database.warm(lambda connection: connection.execute(self._poll, {"since": _NOTHING_SINCE}))

    async def head(self) -> int:
        """The revision of the last change; 0 if there was none."""
        async with self._database.reading() as connection:
            return (await read_head(connection)).revision

    async def records_since(self, revision: int) -> tuple[int, tuple[KeyRecord, ...]]:
        """The revision of the last change, and every record that changed after the given one, as of one instant; the
        oldest first. Read page by page, so that rows and records of all keys are never in memory together.
        """
        async with self._database.reading() as connection:
            return (await read_head(connection)).revision, await self._changed(connection, revision)

    async def poll(self, revision: int) -> Poll:
        """What a node asks again and again. Many changes at once, as at the start, take more questions and time."""
        async with self._database.asking(POLL_DEADLINE_S) as connection:
            rows = (await connection.execute(self._poll, {"since": revision})).mappings().all()
        return poll_in(rows, self._sealing) or await self._everything_since(revision)

    async def find(self, key_id: KeyId) -> KeyRecord | None:
        """One record."""
        async with self._database.reading() as connection:
            return (await self._existing(connection, [key_id])).get(key_id)

    async def is_known(self, *, key_id: str | None = None, account: str | None = None) -> bool:
        """Whether there is this key, or any key of this account, in whatever state."""
        query = select(KEYS.c.id).where(KEYS.c.id == key_id if key_id is not None else KEYS.c.account == account)
        async with self._database.reading() as connection:
            return await connection.scalar(query.limit(1)) is not None

    async def bare_records(self) -> tuple[KeyRecord, ...]:
        """Every record without its material, oldest first."""
        async with self._database.reading() as connection:
            return await _bare_records(connection)

    async def insert(self, records: Sequence[KeyRecord], deed: Deed, *, also: Also = nothing_else) -> tuple[KeyId, ...]:
        """Add all these keys, or none. The ids that are taken already: empty if the keys were added."""
        async with self._database.writing() as connection:
            taken = await _taken(connection, [record.id for record in records])
            if not taken:
                await self._write(connection, {}, records, deed)
                await also(connection)
            return taken

    async def change(
        self,
        key_id: KeyId,
        step: Callable[[KeyRecord], tuple[KeyRecord, ...]],
        deed: Deed,
        *,
        also: Also = nothing_else,
    ) -> tuple[KeyRecord, ...] | None:
        """Replace a key by what `step` makes of it: the key itself, and any new ones. None if there is no such key.

        The step sees the key as nobody can change it before the step's answer is written. What it raises undoes all.
        """
        return await self.change_all([key_id], lambda existing: step(existing[key_id]), deed, also=also)

    async def change_all(
        self,
        ids: Sequence[KeyId],
        step: Callable[[Mapping[KeyId, KeyRecord]], tuple[KeyRecord, ...]],
        deed: Deed,
        *,
        also: Also = nothing_else,
    ) -> tuple[KeyRecord, ...] | None:
        """The same for several keys at once; None if one of them is not there. A step may leave keys as they are."""
        async with self._database.writing() as connection:
            existing = await self._existing(connection, ids)
            if len(existing) < len(set(ids)):
                return None
            records = step(existing)
            revision = await self._write(connection, existing, records, deed) if records else 0
            await also(connection)
            return tuple(msgspec.structs.replace(record, revision=revision) for record in records)

    async def move_all(self, chosen: Callable[[KeyRecord], bool], state: KeyState, deed: Deed) -> tuple[KeyRecord, ...]:
        """Move every chosen key to this state, all of them or none, under one revision: as they then are, without their
        material. Nothing is written if none is chosen. A move that wipes material is none for this.
        """
        async with self._database.writing() as connection:
            found = [record for record in await _bare_records(connection) if chosen(record)]
            if not found:
                return ()
            head = await locked_head(connection)
            revision = head.revision + 1
            await move_head(connection, msgspec.structs.replace(head, revision=revision))
            for part in _parts(found, _IDS_PER_QUERY):
                ids = [record.id for record in part]
                await connection.execute(update(KEYS).where(KEYS.c.id.in_(ids)).values(state=state, revision=revision))
            moved = [msgspec.structs.replace(record, state=state, revision=revision) for record in found]
            before = {record.id: record for record in found}
            for part in _parts(moved, _AUDIT_RECORDS_AT_ONCE):
                await audit.append(connection, deed, [_touched(each, before[each.id]) for each in part], revision)
            return tuple(moved)

    async def write_last_used(self, batch: Mapping[KeyId, UnixMs]) -> None:
        """When keys were last used, never earlier than already written. No change of a key: the revision stays, and so
        the head row is left to those who change keys.
        """
        used = bindparam("used_at", type_=BigInteger)
        query = (
            update(KEYS)
            .where(KEYS.c.id == bindparam("key_id"), or_(KEYS.c.last_used_at.is_(None), KEYS.c.last_used_at < used))
            .values(last_used_at=used)
        )
        used_at = [
            {"key_id": key, "used_at": batch[key]} for key in sorted(batch)
        ]  # one order: nobody locks another out
        async with self._database.asking(_LAST_USED_DEADLINE_S) as connection:
            await connection.execute(query, used_at)

    async def _everything_since(self, revision: int) -> Poll:
        async with self._database.reading() as connection:
            head, changed = (await read_head(connection)).revision, await self._changed(connection, revision)
            documents = await connection.scalars(select(HALTS.c.document).where(HALTS.c.revision > revision))
            return Poll(revision=head, changed=changed, halts=tuple(map(halt_of, documents)), clock_ms=None)

    async def _changed(self, connection: AsyncConnection, revision: int) -> tuple[KeyRecord, ...]:
        records: list[KeyRecord] = []
        page = select(KEYS).where(KEYS.c.revision > revision).order_by(KEYS.c.id).limit(_ROWS_AT_ONCE)
        rows = (await connection.execute(page)).mappings().all()
        while rows:
            records += (from_row(row, self._sealing) for row in rows)
            rows = (await connection.execute(page.where(KEYS.c.id > rows[-1]["id"]))).mappings().all()
        return tuple(sorted(records, key=lambda record: record.created_at))

    async def _existing(self, connection: AsyncConnection, ids: Sequence[KeyId]) -> dict[KeyId, KeyRecord]:
        rows = await connection.execute(select(KEYS).where(KEYS.c.id.in_(ids)))
        return {row["id"]: from_row(row, self._sealing) for row in rows.mappings()}

    async def _write(
        self, connection: AsyncConnection, before: Mapping[KeyId, KeyRecord], records: Sequence[KeyRecord], deed: Deed
    ) -> int:
        head = await locked_head(connection)
        revision = head.revision + 1
        await move_head(connection, msgspec.structs.replace(head, revision=revision))
        after = [msgspec.structs.replace(record, revision=revision) for record in records]
        rows = [to_row(record, self._sealing, head.sealing_id) for record in after]
        added = [row for row in rows if row["id"] not in before]
        if added:
            await connection.execute(insert(KEYS), added)
        for row in rows:
            if row["id"] in before:
                del row["last_used_at"]  # it may have been written meanwhile, without the head row
                await connection.execute(update(KEYS).where(KEYS.c.id == row["id"]).values(row))
        touched = [_touched(record, before.get(record.id)) for record in after]
        await audit.append(connection, deed, touched, revision)
        return revision


def _touched(record: KeyRecord, before: KeyRecord | None) -> Touched:
    return Touched(
        subject=Subject(AUDITED_AS, record.id),
        before=None if before is None else view_as_json(before),
        after=view_as_json(record),
    )


async def _bare_records(connection: AsyncConnection) -> tuple[KeyRecord, ...]:
    rows = await connection.execute(select(KEYS).order_by(KEYS.c.created_at, KEYS.c.id))
    return tuple(map(bare, rows.mappings()))


def _parts(records: Sequence[KeyRecord], count: int) -> Iterator[Sequence[KeyRecord]]:
    return (records[start : start + count] for start in range(0, len(records), count))


async def _taken(connection: AsyncConnection, ids: Sequence[KeyId]) -> tuple[KeyId, ...]:
    taken: list[KeyId] = []
    for start in range(0, len(ids), _IDS_PER_QUERY):
        part = ids[start : start + _IDS_PER_QUERY]
        taken += await connection.scalars(select(KEYS.c.id).where(KEYS.c.id.in_(part)))
    return tuple(taken)
