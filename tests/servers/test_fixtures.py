"""Each test finds empty servers, its own or those that are named."""

import os
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from tests.servers.postgres import PostgresServer, sql_at
from tests.servers.redis import RedisServer
from tests.servers.resp import RedisClient

pytestmark = pytest.mark.system

_TWICE = pytest.mark.parametrize("number", [1, 2])


@_TWICE
def test_redis_holds_nothing_when_a_test_begins(redis_url: str, number: int) -> None:
    with RedisClient(urlsplit(redis_url).port or 0) as client:
        assert client.ask("DBSIZE") == 0, number
        client.ask("SET", "a", number)


@_TWICE
def test_the_database_holds_nothing_when_a_test_begins(postgres_url: str, number: int) -> None:
    assert sql_at(postgres_url, "select to_regclass('left_over') is null") == "t", number
    sql_at(postgres_url, "create table left_over (value integer)")


def test_servers_that_are_named_are_used_and_none_are_started() -> None:
    with RedisServer() as redis, PostgresServer() as postgres:
        redis.ask("SET", "a", 1)
        alone = {name: value for name, value in os.environ.items() if "XDIST" not in name}
        named = {"GUARD_TEST_REDIS_URL": redis.url, "GUARD_TEST_POSTGRES_URL": postgres.url}
        run = subprocess.run(  # noqa: S603  # our own tests
            (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__, "-k", "holds_nothing"),
            env={**alone, **named, "PATH": "/nowhere"},
            capture_output=True,
            check=False,
        )
        assert b"4 passed" in run.stdout, run.stdout
        assert redis.ask("GET", "a") == b"2"
