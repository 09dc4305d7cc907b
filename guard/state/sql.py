"""The key database: records, audit trail and revision, on SQLite through SQLAlchemy Core, so PostgreSQL can follow.

Why it is right: every change of keys, its audit rows and the next revision are written in one transaction that takes
the write lock before it reads (BEGIN IMMEDIATE). So no two writers give out one revision, and whoever reads a revision
sees every change up to it. A change is acknowledged after its commit has reached the disk (WAL, synchronous=FULL), so
kill -9 loses nothing that was acknowledged.
"""

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import BigInteger, bindparam, event, func, insert, or_, select, update
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from guard.model.keys import KeyRecord
from guard.model.names import KeyId, UnixMs
from guard.state.faults import StateError
from guard.state.key_rows import from_row, to_row, view_as_json
from guard.state.sealing import SealingKey
from guard.state.sql_schema import AUDIT, HEAD, KEYS, SCHEMA_VERSION, bring_up_to_date, schema_version

_BUSY_TIMEOUT_MS = 5000
_IDS_PER_QUERY = 500


class DatabaseError(StateError):
    """The key database cannot be reached or used."""


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """Who does what to keys, when and why: the part of an audit row that is not the key itself."""

    command: str
    actor: str
    why: str
    at: UnixMs


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One key touched by one deed. `before` and `after` are JSON without material; `before` is None for a new key."""

    number: int
    revision: int
    at: int
    actor: str
    command: str
    why: str
    key_id: str
    before: str | None
    after: str


class KeyDatabase:
    """The database, open. Every method raises DatabaseError if it cannot be used, SealingError if a secret cannot."""

    def __init__(self, engine: AsyncEngine, url: URL, sealing: SealingKey) -> None:
        self._engine = engine
        self._url = url
        self._sealing = sealing

    @classmethod
    async def open(cls, url: str, sealing: SealingKey) -> "KeyDatabase":
        """Open, make or migrate the database of this URL. Its file can be read by its owner only."""
        parsed = _sqlite_url(url)
        _make_private(Path(str(parsed.database)))
        engine = create_async_engine(parsed, hide_parameters=True, connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000})
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        database = cls(engine, parsed, sealing)
        try:
            async with database._writing() as connection:
                await connection.run_sync(_migrate)
                await _prove(connection, sealing)
        except BaseException:
            await engine.dispose()
            raise
        return database

    @property
    def file(self) -> Path:
        """Where it lies."""
        return Path(str(self._url.database))

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    async def head(self) -> int:
        """The revision of the last change; 0 if there was none."""
        async with self._reading() as connection:
            return await _head(connection)

    async def records_since(self, revision: int) -> tuple[int, tuple[KeyRecord, ...]]:
        """The revision of the last change, and every record that changed after the given one, as of one instant."""
        async with self._reading() as connection:
            head = await _head(connection)
            rows = await connection.execute(select(KEYS).where(KEYS.c.revision > revision).order_by(KEYS.c.created_at))
            return head, tuple(from_row(row, self._sealing) for row in rows.mappings())

    async def find(self, key_id: KeyId) -> KeyRecord | None:
        """One record."""
        async with self._reading() as connection:
            return (await self._existing(connection, [key_id])).get(key_id)

    async def insert(self, records: Sequence[KeyRecord], deed: Deed) -> tuple[KeyId, ...]:
        """Add all these keys, or none. The ids that are taken already: empty if the keys were added."""
        async with self._writing() as connection:
            taken = await _taken(connection, [record.id for record in records])
            if not taken:
                await self._write(connection, {}, records, deed)
            return taken

    async def change(
        self, key_id: KeyId, step: Callable[[KeyRecord], tuple[KeyRecord, ...]], deed: Deed
    ) -> tuple[KeyRecord, ...] | None:
        """Replace a key by what `step` makes of it: the key itself, and any new ones. None if there is no such key.

        The step sees the key as nobody can change it before the step's answer is written. What it raises undoes all.
        """
        async with self._writing() as connection:
            existing = await self._existing(connection, [key_id])
            if key_id not in existing:
                return None
            records = step(existing[key_id])
            revision = await self._write(connection, existing, records, deed)
            return tuple(msgspec.structs.replace(record, revision=revision) for record in records)

    async def audit_rows(self, key_id: KeyId | None = None) -> tuple[AuditRow, ...]:
        """What was done to one key, or to all, oldest first."""
        query = select(AUDIT).order_by(AUDIT.c.number)
        if key_id is not None:
            query = query.where(AUDIT.c.key_id == key_id)
        async with self._reading() as connection:
            return tuple(AuditRow(**row) for row in (await connection.execute(query)).mappings())

    async def write_last_used(self, batch: Mapping[KeyId, UnixMs]) -> None:
        """When keys were last used, never earlier than already written. Not a change of a key: the revision stays."""
        used = bindparam("used_at", type_=BigInteger)
        query = (
            update(KEYS)
            .where(KEYS.c.id == bindparam("key_id"), or_(KEYS.c.last_used_at.is_(None), KEYS.c.last_used_at < used))
            .values(last_used_at=used)
        )
        async with self._writing() as connection:
            await connection.execute(query, [{"key_id": key, "used_at": at} for key, at in batch.items()])

    async def _existing(self, connection: AsyncConnection, ids: Sequence[KeyId]) -> dict[KeyId, KeyRecord]:
        rows = await connection.execute(select(KEYS).where(KEYS.c.id.in_(ids)))
        return {row["id"]: from_row(row, self._sealing) for row in rows.mappings()}

    async def _write(
        self, connection: AsyncConnection, before: Mapping[KeyId, KeyRecord], records: Sequence[KeyRecord], deed: Deed
    ) -> int:
        revision = await _head(connection) + 1
        after = [msgspec.structs.replace(record, revision=revision) for record in records]
        rows = [to_row(record, self._sealing) for record in after]
        added = [row for row in rows if row["id"] not in before]
        if added:
            await connection.execute(insert(KEYS), added)
        for row in rows:
            if row["id"] in before:
                await connection.execute(update(KEYS).where(KEYS.c.id == row["id"]).values(row))
        await connection.execute(insert(AUDIT), [_audit_row(record, before, deed) for record in after])
        await connection.execute(update(HEAD).values(revision=revision))
        return revision

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.connect() as connection, connection.begin():
                yield connection
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise self._fault(error) from error

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.connect() as connection:
                await connection.execution_options(guard_writes=True)
                async with connection.begin():
                    yield connection
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise self._fault(error) from error

    def _fault(self, error: Exception) -> DatabaseError:
        cause = getattr(error, "orig", None) or error
        return DatabaseError(f"the key database {self._url.database} cannot be used ({cause})")


def _migrate(connection: Connection) -> None:
    found = schema_version(connection)
    if found is not None and found > SCHEMA_VERSION:
        raise DatabaseError(
            f"the key database has schema {found}, and this guard knows only {SCHEMA_VERSION}: "
            "it was used by a newer guard, so run that one"
        )
    bring_up_to_date(connection)


async def _prove(connection: AsyncConnection, sealing: SealingKey) -> None:
    """Open one sealed secret, so that a wrong sealing key is found at once and not at the first request."""
    row = (
        (await connection.execute(select(KEYS).where(KEYS.c.sealed_material.is_not(None)).limit(1))).mappings().first()
    )
    if row is not None:
        from_row(row, sealing)


async def _head(connection: AsyncConnection) -> int:
    revision = await connection.scalar(select(func.max(HEAD.c.revision)))
    return int(revision or 0)


async def _taken(connection: AsyncConnection, ids: Sequence[KeyId]) -> tuple[KeyId, ...]:
    taken: list[KeyId] = []
    for start in range(0, len(ids), _IDS_PER_QUERY):
        part = ids[start : start + _IDS_PER_QUERY]
        taken += await connection.scalars(select(KEYS.c.id).where(KEYS.c.id.in_(part)))
    return tuple(taken)


def _audit_row(record: KeyRecord, before: Mapping[KeyId, KeyRecord], deed: Deed) -> dict[str, Any]:
    old = before.get(record.id)
    return {
        "revision": record.revision,
        "at": deed.at,
        "actor": deed.actor,
        "command": deed.command,
        "why": deed.why,
        "key_id": record.id,
        "before": None if old is None else view_as_json(old),
        "after": view_as_json(record),
    }


def sealing_key_of(url: str, path: Path) -> SealingKey:
    """The sealing key of this database. It is made only where the database is not made yet: a lost key is an error."""
    if Path(str(_sqlite_url(url).database)).exists():
        return SealingKey.load(path)
    return SealingKey.load_or_create(path)


def _sqlite_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.drivername != "sqlite" or parsed.database in (None, "", ":memory:"):
        scheme = url.partition(":")[0]
        raise DatabaseError(
            f"the key database must be a file, as in sqlite:////var/lib/guard/guard.db, and is {scheme}:…: "
            "set GUARD_DATABASE_URL (PostgreSQL comes with a later version)"
        )
    return parsed.set(drivername="sqlite+aiosqlite")


def _make_private(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise DatabaseError(f"the key database {path} cannot be opened ({error.strerror})") from error


def _prepare_sqlite(connection: Any, _: object) -> None:
    """For each new connection: no implicit transactions (we begin our own), and durable commits."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("guard_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
