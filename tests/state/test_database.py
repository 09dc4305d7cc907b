import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from guard.state.database import DatabaseError, sealing_key_of
from guard.state.key_file import KeyFileError
from guard.state.sealing import SealingKey
from guard.state.sql_schema import SCHEMA_VERSION
from guard.state.vault import Vault
from tests.state.key_records import CANARY, deed, record


async def test_new_database_is_empty_and_private(vault: Vault, tmp_path: Path) -> None:
    assert await vault.keys.head() == 0
    assert await vault.keys.records_since(0) == (0, ())
    for path in (tmp_path / "home").glob("guard.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_commits_reach_the_disk_before_they_are_acknowledged(vault: Vault) -> None:
    async with vault.database._engine.connect() as connection:
        found = [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")
        ]
    assert found == ["wal", 2]


async def test_sealing_key_is_made_with_the_database_and_missed_when_lost(url: str, tmp_path: Path) -> None:
    path = tmp_path / "home" / "sealing.key"
    sealing = sealing_key_of(url, path)
    await (await Vault.open(url, sealing)).close()
    assert sealing_key_of(url, path).pepper == sealing.pepper
    path.unlink()
    with pytest.raises(KeyFileError, match="there is no sealing key"):
        sealing_key_of(url, path)


async def test_database_of_a_newer_guard_is_refused(vault: Vault, url: str, sealing: SealingKey) -> None:
    async with vault.database.writing() as connection:
        await connection.exec_driver_sql("update alembic_version set version_num = '0099'")
    with pytest.raises(DatabaseError, match=f"has schema 0099, and this guard knows only {SCHEMA_VERSION}"):
        await Vault.open(url, sealing)


@pytest.mark.parametrize(
    "url", ["postgresql://db/guard", "sqlite://", "sqlite:///:memory:", "mysql://x:secret@y/z", "nonsense", ""]
)
async def test_only_files_are_databases_yet(url: str, sealing: SealingKey) -> None:
    with pytest.raises(DatabaseError, match="GUARD_DATABASE_URL") as raised:
        await Vault.open(url, sealing)
    assert "secret" not in str(raised.value)


async def test_file_that_is_no_database_is_refused(url: str, sealing: SealingKey, tmp_path: Path) -> None:
    (tmp_path / "home" / "guard.db").write_bytes(b"This is no database, but a text that is long enough.\n" * 100)
    with pytest.raises(DatabaseError, match="file is not a database"):
        await Vault.open(url, sealing)


async def test_path_that_cannot_be_opened_is_named(sealing: SealingKey, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot be opened"):
        await Vault.open(f"sqlite:///{tmp_path}", sealing)


async def test_database_that_fails_later_says_so_without_parameters(vault: Vault, tmp_path: Path) -> None:
    async with vault.database.writing() as connection:
        await connection.exec_driver_sql("drop table audit_records")
    with pytest.raises(DatabaseError, match="no such table: audit_records") as raised:
        await vault.keys.insert([record("k1")], deed())
    assert CANARY.decode() not in f"{raised.value} {raised.value.__cause__}"
    assert str(tmp_path) in str(raised.value)


async def test_a_database_that_is_opened_twice_in_one_process_is_still_one(url: str, sealing: SealingKey) -> None:
    """Another process that comes and goes must be the last to use it only if it is."""
    one = await Vault.open(url, sealing)
    other = await Vault.open(url, sealing)
    try:
        for revision in (7, 8, 9):
            await asyncio.to_thread(_elsewhere, one.database.file, f"update head set revision = {revision}")  # noqa: S608  # our own number
            assert await one.keys.head() == await other.keys.head() == revision
    finally:
        await other.close()
        await one.close()


def _elsewhere(file: Path, statement: str) -> None:
    program = f"import sqlite3; c = sqlite3.connect({str(file)!r}); c.execute({statement!r}); c.commit(); c.close()"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=20)  # noqa: S603  # our own statement
