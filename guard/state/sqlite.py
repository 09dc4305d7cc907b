"""The key database in a file: SQLite.

Why it is right: whoever writes takes the write lock before reading (BEGIN IMMEDIATE), so that no two writers see the
same state and both change it. A transaction is acknowledged after its commit has reached the disk (WAL,
synchronous=FULL), so kill -9 loses nothing that was acknowledged.
"""

import errno
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, event, null, type_coerce
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from guard.state.dialect import Dialect

_BUSY_TIMEOUT_MS = 5000
_WRITES = "guard_writes"


def sqlite(path: Path) -> Dialect:
    """The database in this file, which is made if there is none, and readable by its owner only. Raises OSError."""
    _make_private(path)
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        hide_parameters=True,
        connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000},
    )
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    return Dialect(
        name=str(path),
        file=path,
        engine=engine,
        faults=(sqlite3.Error,),
        cause=_cause,
        reading={},
        writing={_WRITES: True},
        asking={},
        clock_ms=type_coerce(null(), BigInteger),
    )


def _make_private(path: Path) -> None:
    """Make the file, if it is not there. One that is there is not even opened: closing it would drop the locks that
    another connection of this process holds on it (sqlite.org/howtocorrupt.html, 2.2), and the next program to leave
    the database would take its log away under us.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    if not path.is_file():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))


def _cause(error: BaseException) -> str:
    return str(error.orig if isinstance(error, DBAPIError) else error)


def _prepare(connection: Any, _: object) -> None:
    """For each new connection: no implicit transactions (we begin our own), and durable commits."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
