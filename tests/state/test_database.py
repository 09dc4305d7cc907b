import asyncio
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from guard.state.database import Database, DatabaseError, sealing_key_of
from guard.state.key_file import KeyFileError
from guard.state.sealing import SealingKey
from guard.state.sql_schema import AUDIT_RECORDS, HEAD, SCHEMA_VERSION
from guard.state.vault import Vault
from tests.state.key_records import CANARY, deed, record


async def test_new_database_is_empty(vault: Vault) -> None:
    assert await vault.keys.head() == 0
    assert await vault.keys.records_since(0) == (0, ())


async def test_database_of_a_newer_guard_is_refused(vault: Vault, url: str, sealing: SealingKey) -> None:
    async with vault.database.writing() as connection:
        await connection.exec_driver_sql("update alembic_version set version_num = '0099'")
    with pytest.raises(DatabaseError, match=f"has schema 0099, and this guard knows only {SCHEMA_VERSION}"):
        await Vault.open(url, sealing)


async def test_nodes_that_start_at_once_make_the_tables_once(url: str) -> None:
    databases = await asyncio.gather(*(Database.open(url) for _ in range(4)))
    async with databases[0].reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(HEAD)) == 1
    for database in databases:
        await database.close()


async def test_who_writes_sees_what_the_writer_before_it_committed(vault: Vault) -> None:
    order: list[str] = []

    async def write(name: str) -> None:
        async with vault.database.writing() as connection:
            seen = await connection.scalar(select(HEAD.c.revision))
            order.append(f"{name} sees {seen}")
            await asyncio.sleep(0)
            await connection.execute(update(HEAD).values(revision=HEAD.c.revision + 1))
            order.append(f"{name} wrote")

    await asyncio.gather(*(write(name) for name in "abc"))
    assert [step.split()[1] for step in order] == ["sees", "wrote"] * 3
    assert [step.split()[2] for step in order[::2]] == ["0", "1", "2"]


async def test_who_reads_sees_one_instant(vault: Vault) -> None:
    async with vault.database.reading() as connection:
        before = await connection.scalar(select(HEAD.c.revision))
        await vault.keys.insert([record("k1")], deed())
        assert await connection.scalar(select(HEAD.c.revision)) == before
        assert await connection.scalar(select(func.count()).select_from(AUDIT_RECORDS)) == 0


async def test_one_statement_is_a_transaction_of_its_own(vault: Vault) -> None:
    async with vault.database.asking(5) as connection:
        await connection.execute(update(HEAD).values(revision=7))
    assert await vault.keys.head() == 7


@pytest.mark.parametrize("bad", ["sqlite://", "sqlite:///:memory:", "mysql://x:secret@y/z", "nonsense", ""])
async def test_what_is_neither_a_file_nor_a_server_is_refused(bad: str, sealing: SealingKey) -> None:
    with pytest.raises(DatabaseError, match="GUARD_DATABASE_URL") as raised:
        await Vault.open(bad, sealing)
    assert "secret" not in str(raised.value)


async def test_database_that_fails_later_says_so_without_parameters(vault: Vault) -> None:
    async with vault.database.writing() as connection:
        await connection.exec_driver_sql("drop table audit_records")
    with pytest.raises(DatabaseError, match="audit_records") as raised:
        await vault.keys.insert([record("k1")], deed())
    assert CANARY.decode() not in f"{raised.value} {raised.value.__cause__}"
    assert vault.database.name in str(raised.value)


async def test_sealing_key_is_made_with_the_database_and_missed_when_lost(url: str, tmp_path: Path) -> None:
    path = tmp_path / "home" / "sealing.key"
    sealing = await sealing_key_of(url, path)
    await (await Vault.open(url, sealing)).close()
    assert (await sealing_key_of(url, path)).pepper == sealing.pepper
    path.unlink()
    with pytest.raises(KeyFileError, match="there is no sealing key"):
        await sealing_key_of(url, path)
