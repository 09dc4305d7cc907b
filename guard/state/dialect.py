"""What differs between two kinds of database, as a value: how to connect, and what makes a transaction what it must be.

Every query is written once, for all of them. `sqlite.py` and `postgres.py` each make one of these.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Executable
from sqlalchemy.ext.asyncio import AsyncEngine


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One database to be connected to.

    `name` is what messages call it: never with a password. `file` is where it lies, None for a server. `faults` are
    what its driver raises beside SQLAlchemy's errors. `reading`, `writing` and `asking` are the options of a connection
    for a snapshot, for a change, and for one statement that is a transaction of its own. `write_lock` and
    `migration_lock` are what a transaction runs first to be alone, where beginning it is not enough. `clock_ms` is the
    database's clock in Unix milliseconds, NULL where it is this machine's own.
    `connections` are opened by whoever follows it, and are enough for all that it asks at once.
    """

    name: str
    file: Path | None
    engine: AsyncEngine
    faults: tuple[type[Exception], ...]
    cause: Callable[[BaseException], str]
    reading: Mapping[str, Any]
    writing: Mapping[str, Any]
    asking: Mapping[str, Any]
    connections: int = 1
    write_lock: tuple[Executable, ...] = ()
    migration_lock: tuple[Executable, ...] = ()
    clock_ms: ColumnElement[int]
