"""Keys as lists, page by page: what matches, oldest first, without opening a single secret.

A page begins behind a key, not at a number, so that keys that are made meanwhile neither repeat nor hide others.
"""

import msgspec
from sqlalchemy import RowMapping, Select, and_, or_, select

from guard.model.names import KeyId
from guard.state.database import Database
from guard.state.key_rows import KeyView, bounds_in
from guard.state.sql_schema import KEYS


class KeyFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which keys are meant; None means any."""

    account: str | None = None
    state: str | None = None
    algorithm: str | None = None
    scope: str | None = None
    lineage: str | None = None


async def key_page(
    database: Database, wanted: KeyFilter, *, after: KeyId | None, count_max: int
) -> tuple[KeyView, ...]:
    """At most `count_max` keys behind `after`. Empty also if nobody ever made the key `after`.

    Raises DatabaseError if the database cannot be used.
    """
    query = _matching(wanted).order_by(KEYS.c.created_at, KEYS.c.id).limit(count_max)
    if after is not None:
        made = select(KEYS.c.created_at).where(KEYS.c.id == after).scalar_subquery()
        query = query.where(or_(KEYS.c.created_at > made, and_(KEYS.c.created_at == made, KEYS.c.id > after)))
    async with database.reading() as connection:
        return tuple(_view(row) for row in (await connection.execute(query)).mappings())


def _matching(wanted: KeyFilter) -> Select[tuple[object, ...]]:
    query = select(*(column for column in KEYS.c if column is not KEYS.c.sealed_material))
    for name in ("account", "state", "algorithm", "lineage"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(KEYS.c[name] == value)
    if wanted.scope is not None:
        query = query.where(KEYS.c.scopes.contains(f'"{wanted.scope}"', autoescape=True))
    return query


def _view(row: RowMapping) -> KeyView:
    return KeyView(
        id=row["id"],
        account=row["account"],
        scopes=msgspec.json.decode(row["scopes"], type=tuple[str, ...]),
        algorithm=row["algorithm"],
        state=row["state"],
        tier=row["tier"],
        networks=msgspec.json.decode(row["networks"], type=tuple[str, ...]),
        bounds=bounds_in(row["bounds"]),
        label=row["label"],
        lineage=row["lineage"],
        rotated_from=row["rotated_from"],
        created_at_ms=row["created_at"],
        expires_at_ms=row["expires_at"],
        dies_at_ms=row["dies_at"],
        last_used_at_ms=row["last_used_at"],
        revision=row["revision"],
    )
