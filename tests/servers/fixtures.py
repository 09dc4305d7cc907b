"""Fixtures: one Redis and one PostgreSQL for all tests of a process that need no more than an empty one.

GUARD_TEST_REDIS_URL and GUARD_TEST_POSTGRES_URL name running ones to use instead. The databases of that Redis are
emptied; in that PostgreSQL each test has a new database.
"""

import os
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

import pytest

from tests.servers.postgres import PostgresServer, fresh_database
from tests.servers.redis import RedisServer
from tests.servers.resp import RedisClient


@pytest.fixture(scope="session")
def redis_of_session() -> Iterator[str]:
    """The URL of a Redis. Tests that run at the same time have a database each."""
    given = os.environ.get("GUARD_TEST_REDIS_URL")
    if given:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
        yield urlsplit(given)._replace(path=f"/{int(worker) % 16}").geturl()
        return
    with RedisServer() as redis:
        yield redis.url


@pytest.fixture
def redis_url(redis_of_session: str) -> str:
    """The URL of an empty Redis that nobody else uses."""
    _flush(urlsplit(redis_of_session))
    return redis_of_session


@pytest.fixture(scope="session")
def postgres_of_session() -> Iterator[str]:
    """The URL of a PostgreSQL."""
    given = os.environ.get("GUARD_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    with PostgresServer() as postgres:
        yield postgres.url


@pytest.fixture
def postgres_url(postgres_of_session: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database that nobody else uses."""
    with fresh_database(postgres_of_session) as url:
        yield url


def _flush(url: SplitResult) -> None:
    credentials = tuple(part for part in (url.username, url.password) if part)
    with RedisClient(url.port or 6379, host=url.hostname or "127.0.0.1", credentials=credentials) as client:
        client.ask("SELECT", url.path.lstrip("/") or 0)
        client.ask("FLUSHDB")
