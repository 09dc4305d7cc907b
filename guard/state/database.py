"""The database of keys and audit: connections, transactions and their faults. What stands in it is not known here.

Why it is right: whoever writes takes the write lock before reading (BEGIN IMMEDIATE), so that no two writers see the
same state and both change it. A transaction is acknowledged after its commit has reached the disk (WAL,
synchronous=FULL), so kill -9 loses nothing that was acknowledged.
"""

import errno
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from guard.state.faults import StateError
from guard.state.sealing import SealingKey
from guard.state.sql_schema import SCHEMA_VERSION, bring_up_to_date, schema_version

_BUSY_TIMEOUT_MS = 5000

Also: TypeAlias = Callable[[AsyncConnection], Awaitable[object]]
"""What is written in the same transaction as a change. What it raises undoes the change too."""


async def nothing_else(_: AsyncConnection) -> None:
    """Writes nothing."""


class DatabaseError(StateError):
    """The key database cannot be reached or used."""


class Database:
    """One database, its tables made or migrated. Every method raises DatabaseError if it cannot be used."""

    def __init__(self, engine: AsyncEngine, url: URL) -> None:
        self._engine = engine
        self._url = url

    @classmethod
    async def open(cls, url: str) -> "Database":
        """Open, make or migrate the database of this URL. Its file can be read by its owner only."""
        parsed = _sqlite_url(url)
        _make_private(Path(str(parsed.database)))
        engine = create_async_engine(parsed, hide_parameters=True, connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000})
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        database = cls(engine, parsed)
        try:
            async with database.writing() as connection:
                await connection.run_sync(_migrate)
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

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees the database as of one instant."""
        try:
            async with self._engine.connect() as connection, connection.begin():
                yield connection
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise self._fault(error) from error

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that nobody else writes beside; committed at the end of the block, undone by what it raises."""
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


def sealing_key_of(url: str, path: Path) -> SealingKey:
    """The sealing key of this database. It is made only where the database is not made yet: a lost key is an error."""
    if Path(str(_sqlite_url(url).database)).exists():
        return SealingKey.load(path)
    return SealingKey.load_or_create(path)


def _migrate(connection: Connection) -> None:
    found = schema_version(connection)
    if found is not None and found > SCHEMA_VERSION:
        raise DatabaseError(
            f"the key database has schema {found}, and this guard knows only {SCHEMA_VERSION}: "
            "it was used by a newer guard, so run that one"
        )
    bring_up_to_date(connection)


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
    """Make the file, if it is not there. One that is there is not even opened: closing it would drop the locks that
    another connection of this process holds on it (sqlite.org/howtocorrupt.html, 2.2), and the next program to leave
    the database would take its log away under us.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        if not path.is_file():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
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
