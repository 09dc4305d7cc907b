"""What waits for a second person, as rows, and the scopes that need one. Releases are written and settled in the
transaction of the change of keys that they belong to. Who may settle one is not decided here.
"""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from guard.model.admins import Release, ReleaseState
from guard.model.audit import Deed, Subject, Touched
from guard.model.names import KeyId, UnixMs
from guard.state.admin_views import touched_release
from guard.state.audit import append
from guard.state.database import Database
from guard.state.head import locked_head
from guard.state.sql_schema import DUAL_CONTROL, RELEASES

CONFIRMED_MS: Final = 24 * 3600 * 1000
"""For how long a change of policies may be made after it was confirmed."""


class _Made(StrEnum):
    """What became of a change of policies since it was confirmed: others came after it, and it is OVER."""

    NOT_YET = ""
    IN_FORCE = "in force"
    OVER = "over"


_DUAL_CONTROL = Subject("policy", "dual_control")


class ReleaseTable:
    """The releases of one database. Each method raises DatabaseError if it cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def scopes(self) -> frozenset[str]:
        """The scopes that need a second person."""
        async with self._database.reading() as connection:
            return frozenset(await connection.scalars(select(DUAL_CONTROL.c.scope)))

    async def set_scopes(self, scopes: Collection[str], deed: Deed) -> None:
        """From now on these scopes need a second person, and no others."""
        async with self._database.writing() as connection:
            await locked_head(connection)  # one node after the other
            await write_scopes(connection, scopes, deed)

    async def find(self, release_id: str) -> Release | None:
        """One release."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(RELEASES).where(RELEASES.c.id == release_id))).mappings().first()
        return None if row is None else _release(row)

    async def all(self) -> tuple[Release, ...]:
        """Every release, newest first."""
        async with self._database.reading() as connection:
            order = (RELEASES.c.requested_at.desc(), RELEASES.c.id)
            rows = await connection.execute(select(RELEASES).order_by(*order))
            return tuple(_release(row) for row in rows.mappings())

    async def ask(self, asked: Release, deed: Deed) -> Release:
        """Have this change of policies wait, unless the same waits already, or was confirmed and still counts."""
        async with self._database.writing() as connection:
            await locked_head(connection)  # nodes read the same files at the same time
            newest = RELEASES.c.requested_at.desc()
            query = select(RELEASES).where(RELEASES.c.change == asked.change).order_by(newest, RELEASES.c.id)
            for row in (await connection.execute(query)).mappings():
                found, now = _release(row), asked.requested_at
                if found.state_at(now) is ReleaseState.PENDING:
                    return found
                if _counts(found, _Made(row["made"]), now):
                    return found
            await write_requests(connection, [asked], deed)
            return asked

    async def waiting(self, key_id: KeyId, now: UnixMs) -> Release | None:
        """What waits for a second person to be done to this key."""
        async with self._database.reading() as connection:
            return await pending(connection, key_id, now)


def _counts(release: Release, made: _Made, now: UnixMs) -> bool:
    """Whether what was confirmed may be done: within a day, until it was done and others came after it."""
    if release.state is not ReleaseState.CONFIRMED or release.settled_at is None:
        return False
    if now >= release.settled_at + CONFIRMED_MS:  # knockout: consent_is_for_a_day
        return False
    return made is not _Made.OVER


async def write_in_force(connection: AsyncConnection, fingerprint: str) -> None:
    """These policies are in force: what was confirmed to bring them is made, and what was made before is over. In the
    caller's transaction, and in the releases' own rows, since versions are not kept for ever.
    """
    is_this = RELEASES.c.change.endswith(f":{fingerprint}", autoescape=True)
    over = update(RELEASES).where(RELEASES.c.made == _Made.IN_FORCE.value, ~is_this)
    made = update(RELEASES).where(
        RELEASES.c.state == ReleaseState.CONFIRMED.value, RELEASES.c.made == _Made.NOT_YET.value, is_this
    )
    await connection.execute(over.values(made=_Made.OVER.value))
    await connection.execute(made.values(made=_Made.IN_FORCE.value))


async def write_scopes(connection: AsyncConnection, scopes: Collection[str], deed: Deed) -> None:
    """These scopes need a second person, and no others: in the caller's transaction, which has locked the head."""
    before = sorted(await connection.scalars(select(DUAL_CONTROL.c.scope)))
    after = sorted(scopes)
    if before == after:
        return
    await connection.execute(delete(DUAL_CONTROL))
    if after:
        await connection.execute(insert(DUAL_CONTROL), [{"scope": scope} for scope in after])
    touched = Touched(subject=_DUAL_CONTROL, before={"scopes": before}, after={"scopes": after})
    await append(connection, deed, [touched])


async def pending(connection: AsyncConnection, key_id: KeyId, now: UnixMs) -> Release | None:
    """What waits to be done to a key, in the caller's transaction."""
    query = select(RELEASES).where(
        RELEASES.c.key_id == key_id, RELEASES.c.state == ReleaseState.PENDING.value, RELEASES.c.expires_at > now
    )
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _release(row)


async def write_requests(connection: AsyncConnection, releases: Sequence[Release], deed: Deed) -> None:
    """Add releases, in the caller's transaction."""
    if releases:
        await connection.execute(insert(RELEASES), [_row(release) for release in releases])
        await append(connection, deed, [touched_release(None, release) for release in releases])


async def write_verdict(connection: AsyncConnection, before: Release, release: Release, deed: Deed) -> bool:
    """Write how a release was settled, in the caller's transaction. False if it does not wait any more."""
    query = update(RELEASES).where(RELEASES.c.id == release.id, RELEASES.c.state == ReleaseState.PENDING.value)
    done = await connection.execute(
        query.values(state=release.state.value, settled_by=release.settled_by, settled_at=release.settled_at)
    )
    if done.rowcount != 1:  # knockout: release_is_settled_once
        return False
    await append(connection, deed, [touched_release(before, release)])
    return True


def _release(row: RowMapping) -> Release:
    known = {**row, "key_id": row["key_id"] or "", "state": ReleaseState(row["state"])}
    del known["made"]
    return Release(**known)


def _row(release: Release) -> dict[str, object]:
    return {**msgspec.structs.asdict(release), "key_id": release.key_id or None, "state": release.state.value}
