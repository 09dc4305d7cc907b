"""Migrations run once: each further new SQLite database of a process gets the very tables and rows that they left in
its first one. Alembic takes 60 ms for that, and a thousand tests want a database of their own. A database that has
tables already, one of PostgreSQL, and those of other processes are migrated as ever.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection

import guard.state.database
from guard.state.sql_schema import bring_up_to_date, schema_version

Statement = tuple[str, tuple[Any, ...]]


@contextmanager
def migrated_once() -> Iterator[None]:
    """For the time of the block."""
    statements: list[Statement] = []

    def bring(connection: Connection) -> None:
        if connection.dialect.name != "sqlite" or schema_version(connection) is not None:
            bring_up_to_date(connection)
        elif statements:
            for text, values in statements:
                connection.exec_driver_sql(text, values)
        else:
            bring_up_to_date(connection)
            statements.extend(_left_in(connection))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(guard.state.database, "bring_up_to_date", bring)
        yield


def _left_in(connection: Connection) -> Iterator[Statement]:
    """What makes an empty database the same as this one."""
    made = connection.exec_driver_sql("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
    for kind, name, text in made.fetchall():
        yield text, ()
        if kind == "table":
            for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"').fetchall():  # noqa: S608  # our own table
                yield f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(row))})', tuple(row)  # noqa: S608
