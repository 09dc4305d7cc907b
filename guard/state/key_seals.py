"""Under which key-encryption key each secret of the database is sealed, and moving them to another while others read.

Why it is right: the head row says which key seals, and whoever writes holds that row. So after `turn` nobody seals
under an old key, on whatever node and with whatever file; one whose file lacks the new key writes nothing. A key is in
the file, on the disk, before the first secret is sealed under it, and leaves it only when none is sealed under it any
more, which stays so. Files are changed by whoever holds the head row. Each step can be interrupted and done again.
"""

from collections.abc import Mapping

import msgspec
from sqlalchemy import LargeBinary, bindparam, func, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from guard.model.audit import Deed, Subject, Touched
from guard.model.names import KeyId
from guard.state import audit
from guard.state.database import Database
from guard.state.faults import StateError
from guard.state.head import Head, locked_head, move_head, read_head
from guard.state.key_rows import from_row, resealed
from guard.state.sealing import KEK_ID_AT, KEK_ID_BYTES, SealingError, SealingKey
from guard.state.sql_schema import KEYS

AUDITED_AS = "sealing_key"

_ROWS_AT_ONCE = 500
_KEK_ID = func.substr(  # numbers in the text, not as parameters: PostgreSQL groups only by what it sees to be the same
    KEYS.c.sealed_material, literal_column(str(KEK_ID_AT + 1)), literal_column(str(KEK_ID_BYTES)), type_=LargeBinary
)
_SEALED = KEYS.c.sealed_material.is_not(None)
_RESEAL = update(KEYS).where(KEYS.c.id == bindparam("key_id")).values(sealed_material=bindparam("sealed"))


class Moved(msgspec.Struct, frozen=True):
    """How many secrets were sealed anew, and the last key of them; None if there is none after it."""

    count: int
    last: KeyId | None


class KeySeals:
    """Raises DatabaseError if the database cannot be used, SealingError or KeyFileError if the sealing key cannot."""

    def __init__(self, database: Database, sealing: SealingKey) -> None:
        self._database = database
        self._sealing = sealing

    async def prove(self) -> None:
        """Open one secret of each key they are sealed under, so that a wrong file is found at the start.

        Whoever is first to open a new database says which key seals, so that nobody comes with another.
        """
        async with self._database.reading() as connection:
            head = await read_head(connection)
            samples = select(func.min(KEYS.c.id)).where(_SEALED).group_by(_KEK_ID)
            rows = await connection.execute(select(KEYS).where(KEYS.c.id.in_(samples)))
            for row in rows.mappings():
                from_row(row, self._sealing)
        if head.sealing_id is None:  # knockout: first_key_is_told
            head = await self._claimed()
        if head.sealing_id not in self._sealing.ids:
            raise SealingError(
                f"secrets are sealed under key {head.sealing_id} now, which is not in {self._sealing.path}: copy the "
                "newest sealing key file to this node"
            )

    async def add(self, deed: Deed) -> str:
        """Have a key in the file that does not seal yet, so that the file can be copied to every node: its id."""
        async with self._database.writing() as connection:
            head = await locked_head(connection)
            self._sealing.reread()
            waiting = self._waiting(head)
            if waiting is not None:
                return waiting
            added = Subject(AUDITED_AS, self._sealing.add())
            await audit.append(connection, deed, [Touched(subject=added)])
            return added.id

    async def turn(self, deed: Deed) -> str:
        """From now on a newer key seals: one that waits in the file, or a new one. Its id.

        If secrets are still to be moved to the one that seals already, it stays that one.
        """
        async with self._database.writing() as connection:
            head = await locked_head(connection)
            self._sealing.reread()
            old = self._in_force(head)
            new = self._waiting(head)
            if new is None:
                if await _sealed_under_others(connection, old):  # knockout: interrupted_move_is_resumed
                    return old
                new = self._sealing.add()
            await move_head(connection, msgspec.structs.replace(head, sealing_id=new))
            turned = Touched(subject=Subject(AUDITED_AS, new), before={"seals": old}, after={"seals": new})
            await audit.append(connection, deed, [turned])
            return new

    async def move(self, after: KeyId) -> Moved:
        """Seal the next secrets anew, by key ids after this one. No change of a key: the revision stays."""
        async with self._database.writing() as connection:
            under = self._in_force(await locked_head(connection))
            query = select(KEYS.c.id, KEYS.c.algorithm, KEYS.c.sealed_material)
            query = query.where(_SEALED, _KEK_ID.not_in([bytes.fromhex(under)]), KEYS.c.id > after)
            rows = (await connection.execute(query.order_by(KEYS.c.id).limit(_ROWS_AT_ONCE))).mappings().all()
            if rows:
                moved = [{"key_id": row["id"], "sealed": resealed(row, self._sealing, under)} for row in rows]
                await connection.execute(_RESEAL, moved)
        return Moved(len(rows), KeyId(rows[-1]["id"]) if len(rows) == _ROWS_AT_ONCE else None)

    async def counts(self) -> Mapping[str, int]:
        """How many secrets are sealed under each key."""
        query = select(_KEK_ID, func.count()).where(_SEALED).group_by(_KEK_ID)
        async with self._database.reading() as connection:
            return {kek_id.hex(): count for kek_id, count in await connection.execute(query)}

    async def retire(self, deed: Deed) -> tuple[str, ...]:
        """Take keys older than the one that seals out of the file: their ids. Refused while one is needed."""
        async with self._database.writing() as connection:
            old = self._older(await locked_head(connection))
            needed = await _sealed_under_others(connection, *self._newer_than(old))
            if needed:  # knockout: key_is_not_needed
                raise StateError(f"{needed} secrets are still sealed under an old key: run `guard keys reseal` first")
            await audit.append(connection, deed, [Touched(subject=Subject(AUDITED_AS, each)) for each in old])
        async with self._database.writing() as connection:  # the file changes after its record is on the disk
            await locked_head(connection)
            if old:
                self._sealing.drop(old)
        return old

    async def _claimed(self) -> Head:
        async with self._database.writing() as connection:
            head = await locked_head(connection)
            if head.sealing_id is None:
                head = msgspec.structs.replace(head, sealing_id=self._in_force(head))
                await move_head(connection, head)
        return head

    def _in_force(self, head: Head) -> str:
        return head.sealing_id or self._sealing.ids[-1]

    def _waiting(self, head: Head) -> str | None:
        """A key that came into the file after the one that seals."""
        newest = self._sealing.ids[0]
        return None if newest == self._in_force(head) else newest

    def _older(self, head: Head) -> tuple[str, ...]:
        self._sealing.reread()
        ids = self._sealing.ids
        return ids[ids.index(self._in_force(head)) + 1 :]

    def _newer_than(self, old: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(each for each in self._sealing.ids if each not in old)


async def _sealed_under_others(connection: AsyncConnection, *ids: str) -> int:
    others = _KEK_ID.not_in([bytes.fromhex(each) for each in ids])
    return await connection.scalar(select(func.count()).select_from(KEYS).where(_SEALED, others)) or 0
