import asyncio
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select, text

from guard.model.names import KeyId
from guard.state.database import Database, DatabaseError
from guard.state.sealing import SealingKey
from guard.state.sql_schema import HEAD
from guard.state.vault import Vault
from tests.ports import free_port
from tests.servers.postgres import PostgresServer, sql_at
from tests.state.key_records import CANARY, deed, record

pytestmark = pytest.mark.system


@pytest.fixture
async def on_server(postgres_url: str, sealing: SealingKey) -> AsyncIterator[Vault]:
    opened = await Vault.open(postgres_url, sealing)
    yield opened
    await opened.close()


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    with PostgresServer(synchronous_commit="off") as server:
        yield server


async def test_commits_reach_the_disk_before_they_are_acknowledged_whatever_the_server_prefers(
    own_server: PostgresServer,
) -> None:
    assert own_server.sql("show synchronous_commit") == "off"
    database = await Database.open(own_server.url)
    async with database.writing() as connection:
        assert await connection.scalar(text("show synchronous_commit")) == "on"
    await database.close()


async def test_snapshot_cannot_be_written_to(on_server: Vault) -> None:
    with pytest.raises(DatabaseError, match="read-only transaction"):
        async with on_server.database.reading() as connection:
            await connection.execute(HEAD.update().values(revision=9))


async def test_writer_waits_for_the_head_row_and_no_other(on_server: Vault, postgres_url: str) -> None:
    async with on_server.database.writing():
        locked = sql_at(postgres_url, "select count(*) from (select 1 from head for update skip locked) as free")
    assert locked == "0"


async def test_silent_writer_is_cut_off_so_that_it_holds_up_nobody(on_server: Vault) -> None:
    async with on_server.database.writing() as connection:
        limit = await connection.scalar(text("show idle_in_transaction_session_timeout"))
    assert limit == "10s"


async def test_its_clock_is_told_in_milliseconds(on_server: Vault, postgres_url: str) -> None:
    told = int(sql_at(postgres_url, "select (extract(epoch from clock_timestamp()) * 1000)::bigint"))
    clock_ms = (await on_server.keys.poll(0)).clock_ms
    assert clock_ms is not None
    assert 0 <= clock_ms - told < 60_000


async def test_wrong_password_and_missing_server_are_told_without_the_password() -> None:
    for url in (
        f"postgresql://guard:hunter2@127.0.0.1:{free_port()}/guard",
        "postgresql://guard:hunter2@[::1]:1/guard",
    ):
        with pytest.raises(DatabaseError, match=r"cannot be used \(.+\)") as raised:
            await Database.open(url)
        assert "hunter2" not in f"{raised.value!r} {raised.value.__cause__!r}"
        assert urlsplit(url).netloc.rpartition("@")[2] in str(raised.value)


async def test_fault_quotes_no_row(on_server: Vault) -> None:
    await on_server.keys.insert([record("k1")], deed())
    with pytest.raises(DatabaseError, match='null value in column "account"') as raised:
        await on_server.keys.insert([record("k2", account=None)], deed())
    assert raised.value.__cause__ is None
    for quoted in ("Failing row", "k2", CANARY.decode()):
        assert quoted not in str(raised.value)


async def test_tls_is_asked_for_as_libpq_does(postgres_url: str) -> None:
    with pytest.raises(DatabaseError, match="SSL"):
        await Database.open(f"{postgres_url}?sslmode=require")
    await (await Database.open(f"{postgres_url}?sslmode=prefer")).close()


async def test_answer_that_does_not_come_in_time_is_given_up_and_the_next_one_comes(on_server: Vault) -> None:
    with pytest.raises(DatabaseError, match="did not answer in time"):
        async with on_server.database.asking(0.05) as connection:
            await connection.execute(text("select pg_sleep(60)"))
    async with on_server.database.asking(5) as connection:
        assert await connection.scalar(select(HEAD.c.revision)) == 0


async def test_killed_and_restarted_server_is_found_again(own_server: PostgresServer, sealing: SealingKey) -> None:
    vault = await Vault.open(own_server.url, sealing)
    await asyncio.gather(*(vault.keys.head() for _ in range(4)))
    await vault.keys.insert([record("k1")], deed())
    own_server.kill()
    with pytest.raises(DatabaseError):
        await vault.keys.head()
    own_server.restart()
    assert await vault.keys.head() == 1
    assert await vault.keys.find(KeyId("k1")) is not None
    await vault.keys.insert([record("k2")], deed())
    await vault.close()
