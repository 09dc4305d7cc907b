"""Administrators' tokens as rows. The token itself is nowhere: only its digest is kept. What a token may do, and
whether it is still good, is not decided here.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import ColumnElement, RowMapping, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from guard.model.admins import AdminToken, Role
from guard.model.audit import Deed
from guard.model.names import UnixMs
from guard.state.admin_views import touched_token
from guard.state.audit import append
from guard.state.database import Database
from guard.state.head import locked_head
from guard.state.sql_schema import ADMIN_TOKENS as TOKENS


class AdminTokenTable:
    """The tokens of one database. Each method raises DatabaseError if it cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, digest: str) -> AdminToken | None:
        """The token of this digest."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(TOKENS).where(TOKENS.c.digest == digest))).mappings().first()
        return None if row is None else _token(row)

    async def all(self) -> tuple[AdminToken, ...]:
        """Every token, also those that are no longer good: oldest first."""
        async with self._database.reading() as connection:
            rows = await connection.execute(select(TOKENS).order_by(TOKENS.c.created_at, TOKENS.c.id))
            return tuple(_token(row) for row in rows.mappings())

    async def add(self, token: AdminToken, deed: Deed, *, only_as_first: bool = False) -> bool:
        """Add a token, unless one of its name is good; with `only_as_first`, unless there was ever any."""
        async with self._database.writing() as connection:
            await locked_head(connection)  # so that nobody adds one between the question and the answer
            in_the_way = select(func.count()).select_from(TOKENS)
            if not only_as_first:
                in_the_way = in_the_way.where(
                    func.lower(TOKENS.c.name) == token.name.lower(), _is_good(token.created_at)
                )
            if await connection.scalar(in_the_way):
                return False
            await connection.execute(insert(TOKENS).values(_row(token)))
            await append(connection, deed, [touched_token(None, token)])
            return True

    async def revoke(self, token_id: str, deed: Deed) -> AdminToken | None:
        """End a token; one that has ended stays as it is. None if there is no such token."""
        async with self._database.writing() as connection:
            found = await _found(connection, token_id)
            if found is None or found.revoked_at is not None:
                return found
            await connection.execute(update(TOKENS).where(TOKENS.c.id == token_id).values(revoked_at=deed.at))
            revoked = msgspec.structs.replace(found, revoked_at=deed.at)
            await append(connection, deed, [touched_token(found, revoked)])
        return revoked

    async def touch(self, token_id: str, now: UnixMs) -> None:
        """When it was last used, never earlier than already written."""
        query = update(TOKENS).where(
            TOKENS.c.id == token_id, or_(TOKENS.c.last_used_at.is_(None), TOKENS.c.last_used_at < now)
        )
        async with self._database.writing() as connection:
            await connection.execute(query.values(last_used_at=now))

    async def makers(self, name: str) -> frozenset[str]:
        """Which holders of tokens made those of this name, who made theirs, and so on: all in lower case."""
        made_by: dict[str, set[str]] = {}
        for token in await self.all():
            made_by.setdefault(token.name.lower(), set()).add(token.created_by.lower())
        return _reached(made_by, name.lower())

    async def first(self) -> str:
        """Who held the first token that there ever was, in lower case; empty if there was none."""
        return next((token.name.lower() for token in await self.all()), "")


def _reached(made_by: dict[str, set[str]], name: str) -> frozenset[str]:
    reached: set[str] = set()
    waiting: Sequence[str] = [name]
    while waiting:
        found = {maker for each in waiting for maker in made_by.get(each, ())} - reached
        reached |= found
        waiting = list(found)
    return frozenset(reached) & made_by.keys()


async def _found(connection: AsyncConnection, token_id: str) -> AdminToken | None:
    row = (await connection.execute(select(TOKENS).where(TOKENS.c.id == token_id))).mappings().first()
    return None if row is None else _token(row)


def _is_good(now: UnixMs) -> ColumnElement[bool]:
    return TOKENS.c.revoked_at.is_(None) & or_(TOKENS.c.expires_at.is_(None), TOKENS.c.expires_at > now)


def _token(row: RowMapping) -> AdminToken:
    return AdminToken(**{**row, "role": Role(row["role"])})


def _row(token: AdminToken) -> dict[str, object]:
    return {**msgspec.structs.asdict(token), "role": token.role.value}
