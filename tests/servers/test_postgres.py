"""The PostgreSQL server of the tests does what its callers rest on."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.servers.postgres import PostgresServer, fresh_database, sql_at

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        server.sql("create table kept (value integer)")
        yield server


def test_it_serves_one_database_to_one_user(postgres: PostgresServer) -> None:
    assert postgres.sql("select current_user, current_database()") == "guard|guard"


def test_what_was_committed_is_there_after_a_kill(postgres: PostgresServer) -> None:
    postgres.sql("insert into kept values (1)")
    postgres.kill()
    postgres.restart()
    assert postgres.sql("select count(*) from kept where value = 1") == "1"


def test_a_paused_server_answers_nothing_on_any_connection_until_it_is_resumed(postgres: PostgresServer) -> None:
    ask = ("/usr/bin/psql", "-XAtq", postgres.url)
    with subprocess.Popen(ask, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as psql:  # noqa: S603  # installed by the tests
        assert psql.stdin is not None
        assert psql.stdout is not None
        psql.stdin.write(b"select 1;\n")
        psql.stdin.flush()
        assert psql.stdout.readline() == b"1\n"
        postgres.pause()
        psql.stdin.write(b"insert into kept values (2) returning value;\n")
        psql.stdin.close()
        with pytest.raises(subprocess.TimeoutExpired):
            psql.wait(0.3)
        postgres.resume()
        assert psql.stdout.readline() == b"2\n"


def test_it_can_be_restarted_empty() -> None:
    with PostgresServer() as server:
        server.sql("create table gone (value integer)")
        server.restart(empty=True)
        assert server.sql("select to_regclass('gone') is null") == "t"


def test_a_fresh_database_is_empty_and_gone_after_its_block(postgres: PostgresServer) -> None:
    with fresh_database(postgres.url) as url:
        assert sql_at(url, "select to_regclass('kept') is null") == "t"
        there = postgres.sql("select count(*) from pg_database where datname like 'guard\\_%'")
    assert (there, postgres.sql("select count(*) from pg_database where datname like 'guard\\_%'")) == ("1", "0")
