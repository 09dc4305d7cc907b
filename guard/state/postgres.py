"""The key database on a server, shared by many nodes: PostgreSQL, through asyncpg.

Why it is right: whoever writes locks the head row before reading anything else, and holds it until the commit. So no
two writers run beside each other, each sees all that the one before it committed (READ COMMITTED, statement by
statement), and revisions are given out in the order of commits: a sequence would not be. Whoever reads sees one
snapshot (REPEATABLE READ). A commit is acknowledged when it has reached the disk (synchronous_commit=on, whatever the
server's default is).

Every wait ends: connecting, a statement, a lock, and a transaction whose client has fallen silent and would hold the
head row for ever. A connection that broke takes its pool with it, and the next question connects anew: so a restarted
server is found again without asking each connection beforehand whether it still lives, which would double every poll.
"""

from typing import Final
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy import BigInteger, cast, extract, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from guard.state.dialect import Dialect
from guard.state.sql_schema import HEAD

_CONNECT_S: Final = 10.0
_ANSWER_S: Final = 12.0
_STATEMENT_MS: Final = 10_000
_CONNECTIONS: Final = 8  # five polls (POLLS_MAX), acknowledging, last uses, and what is ordered
_MIGRATING: Final = 0x6775617264  # "guard": the advisory lock of whoever makes or migrates the tables

_SESSION: Final = {
    "application_name": "guard",
    "synchronous_commit": "on",
    "statement_timeout": str(_STATEMENT_MS),
    "lock_timeout": str(_STATEMENT_MS),
    "idle_in_transaction_session_timeout": str(_STATEMENT_MS),
}


def postgres(url: str) -> Dialect:
    """The database of a `postgresql://` URL. Everything in it, TLS too, means what it means to libpq."""

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url, timeout=_CONNECT_S, command_timeout=_ANSWER_S, server_settings=_SESSION)

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        hide_parameters=True,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=_CONNECT_S,
    )
    parts = urlsplit(url)
    return Dialect(
        name=f"{parts.netloc.rpartition('@')[2]}{parts.path}",
        file=None,
        engine=engine,
        faults=(asyncpg.PostgresError, asyncpg.InterfaceError),
        cause=_cause,
        reading={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
        writing={"isolation_level": "READ COMMITTED"},
        asking={"isolation_level": "AUTOCOMMIT"},
        connections=_CONNECTIONS,
        write_lock=(select(HEAD.c.revision).with_for_update(),),
        migration_lock=(
            select(func.pg_advisory_xact_lock(_MIGRATING)),
            select(func.set_config("statement_timeout", "0", True)),  # noqa: FBT003  # positional in SQL
        ),
        clock_ms=cast(func.floor(extract("epoch", func.clock_timestamp()) * 1000), BigInteger),
    )


def _cause(error: BaseException) -> str:
    """The server's sentence without its DETAIL, which quotes rows."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, OSError):
        return str(cause)
    return str(cause.args[0]) if cause is not None and cause.args else type(error).__name__
