"""The database of keys and audit: connections, transactions and their faults. What stands in it is not known here,
and why a transaction is what it promises to be is said where its kind is: `sqlite.py`, `postgres.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from guard.state.dialect import Dialect
from guard.state.faults import StateError
from guard.state.postgres import postgres
from guard.state.sealing import SealingKey
from guard.state.sql_schema import SCHEMA_VERSION, bring_up_to_date, schema_version
from guard.state.sqlite import sqlite

_ON_A_SERVER = "postgresql://"

Also: TypeAlias = Callable[[AsyncConnection], Awaitable[object]]
"""What is written in the same transaction as a change. What it raises undoes the change too."""


async def nothing_else(_: AsyncConnection) -> None:
    """Writes nothing."""


class DatabaseError(StateError):
    """The key database cannot be reached or used."""


class Database:
    """One database, its tables made or migrated. Every method raises DatabaseError if it cannot be used."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._faults: tuple[type[Exception], ...] = (SQLAlchemyError, OSError, *dialect.faults)

    @classmethod
    async def open(cls, url: str) -> "Database":
        """Open, make or migrate the database of this URL. A file can be read by its owner only."""
        database = cls(_dialect(url))
        try:
            await database._bring_up_to_date()
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def name(self) -> str:
        """What messages call it."""
        return self._dialect.name

    @property
    def file(self) -> Path | None:
        """Where it lies, if it is a file of this machine."""
        return self._dialect.file

    @property
    def clock_ms(self) -> ColumnElement[int]:
        """The database's own clock in Unix milliseconds, as part of a query; NULL if it is this machine's."""
        return self._dialect.clock_ms

    async def warm(self, first: Also) -> None:
        """Open all connections, and ask `first` on each. Once the database is slow it is too late: opening one takes
        many round trips, and what is asked on it for the first time takes two.
        """
        engine = self._dialect.engine
        try:
            opened = await asyncio.gather(*(engine.connect().start() for _ in range(self._dialect.connections)))
            for connection in opened:
                await connection.execution_options(**self._dialect.asking)
                await first(connection)
        except self._faults as error:
            raise self._fault(error) from None
        for connection in opened:
            await connection.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._dialect.engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees the database as of one instant."""
        async with self._transaction(self._dialect.reading) as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that nobody else writes beside; committed at the end of the block, undone by what it raises."""
        async with self._transaction(self._dialect.writing) as connection:
            for lock in self._dialect.write_lock:
                await connection.execute(lock)
            yield connection

    @asynccontextmanager
    async def asking(self, deadline_s: float) -> AsyncIterator[AsyncConnection]:
        """One statement that is a transaction of its own: one round trip. It is given up at the deadline, which does
        not run while a connection is being made.
        """
        async with self._transaction(self._dialect.asking) as connection, asyncio.timeout(deadline_s):
            yield connection

    @asynccontextmanager
    async def _transaction(self, options: Mapping[str, Any]) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._dialect.engine.connect() as connection:
                await connection.execution_options(**options)
                async with connection.begin():
                    yield connection
        except self._faults as error:
            # What a driver says in full may quote rows: it is not chained.
            raise self._fault(error) from None

    def _fault(self, error: Exception) -> DatabaseError:
        late = isinstance(error, TimeoutError)
        cause = "it did not answer in time" if late else self._dialect.cause(error)
        return DatabaseError(f"the key database {self.name} cannot be used ({cause})")

    async def _bring_up_to_date(self) -> None:
        async with self.reading() as connection:
            found = await connection.run_sync(schema_version)
        if found is not None and found > SCHEMA_VERSION:
            raise DatabaseError(
                f"the key database has schema {found}, and this guard knows only {SCHEMA_VERSION}: "
                "it was used by a newer guard, so run that one"
            )
        if found != SCHEMA_VERSION:
            await self._migrate()

    async def _migrate(self) -> None:
        """Make or migrate the tables, one process at a time: each looks again once it is alone."""
        async with self._transaction(self._dialect.writing) as connection:
            for lock in self._dialect.migration_lock:
                await connection.execute(lock)
            await connection.run_sync(bring_up_to_date)


async def sealing_key_of(url: str, path: Path) -> SealingKey:
    """The sealing key of this database. It is made only where the database is not made yet: a lost key is an error.

    Two nodes may each make one for a new database on a server; that of the first to open it is in force, and the other
    node is refused (`key_seals.py`).
    """
    if _is_there(path) or await _is_made(url):
        return SealingKey.load(path)
    return SealingKey.load_or_create(path)


def _is_there(file: Path) -> bool:
    return file.exists()


async def _is_made(url: str) -> bool:
    file = _file_of(url)
    if file is not None:
        return _is_there(file)
    database = Database(_dialect(url))
    try:
        async with database.reading() as connection:
            return await connection.run_sync(schema_version) is not None
    finally:
        await database.close()


def _dialect(url: str) -> Dialect:
    file = _file_of(url)
    if file is None:
        return postgres(url)
    try:
        return sqlite(file)
    except OSError as error:
        raise DatabaseError(f"the key database {file} cannot be opened ({error.strerror})") from error


def _file_of(url: str) -> Path | None:
    """The file that this URL names; None if it names a server."""
    if url.startswith(_ON_A_SERVER):
        return None
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.drivername != "sqlite" or parsed.database in (None, "", ":memory:"):
        scheme = url.partition(":")[0]
        raise DatabaseError(
            "the key database must be a file, as in sqlite:////var/lib/guard/guard.db, or a server, as in "
            f"postgresql://guard@db/guard, and is {scheme}:…: set GUARD_DATABASE_URL"
        )
    return Path(str(parsed.database))
