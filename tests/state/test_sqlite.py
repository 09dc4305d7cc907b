import asyncio
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from guard.model.keys import KeyState, Secret
from guard.model.names import KeyId
from guard.state.database import DatabaseError
from guard.state.sealing import SealingKey
from guard.state.vault import Vault
from tests.state.key_records import deed, record


@pytest.fixture
async def on_file(sqlite_url: str, sealing: SealingKey) -> AsyncIterator[Vault]:
    opened = await Vault.open(sqlite_url, sealing)
    yield opened
    await opened.close()


async def test_file_can_be_read_by_its_owner_only(on_file: Vault, tmp_path: Path) -> None:
    await on_file.keys.insert([record("k1")], deed())
    files = list((tmp_path / "home").glob("guard.db*"))
    assert tmp_path / "home" / "guard.db" in files
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_commits_reach_the_disk_before_they_are_acknowledged(on_file: Vault) -> None:
    async with on_file.database.reading() as connection:
        found = [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")
        ]
    assert found == ["wal", 2]


async def test_its_clock_is_this_machines(on_file: Vault) -> None:
    assert (await on_file.keys.poll(0)).clock_ms is None


async def test_destroyed_material_is_gone_from_the_row(on_file: Vault, tmp_path: Path) -> None:
    await on_file.keys.insert([record("k1")], deed())
    gone = {"state": KeyState.DESTROYED, "material": Secret(b"")}
    await on_file.keys.change(KeyId("k1"), lambda key: (msgspec.structs.replace(key, **gone),), deed("destroy"))
    await on_file.close()
    raw = sqlite3.connect(tmp_path / "home" / "guard.db")
    assert raw.execute("select sealed_material from keys").fetchall() == [(None,)]
    raw.close()


async def test_file_that_is_no_database_is_refused(sqlite_url: str, sealing: SealingKey, tmp_path: Path) -> None:
    (tmp_path / "home" / "guard.db").write_bytes(b"This is no database, but a text that is long enough.\n" * 100)
    with pytest.raises(DatabaseError, match="file is not a database"):
        await Vault.open(sqlite_url, sealing)


async def test_path_that_cannot_be_opened_is_named(sealing: SealingKey, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot be opened"):
        await Vault.open(f"sqlite:///{tmp_path}", sealing)


async def test_database_that_fails_names_its_file(on_file: Vault, tmp_path: Path) -> None:
    async with on_file.database.writing() as connection:
        await connection.exec_driver_sql("drop table audit_records")
    with pytest.raises(DatabaseError, match="no such table: audit_records") as raised:
        await on_file.keys.insert([record("k1")], deed())
    assert str(tmp_path) in str(raised.value)


async def test_database_that_is_opened_twice_in_one_process_is_still_one(sqlite_url: str, sealing: SealingKey) -> None:
    """Another process that comes and goes must be the last to use it only if it is."""
    one = await Vault.open(sqlite_url, sealing)
    other = await Vault.open(sqlite_url, sealing)
    try:
        for revision in (7, 8, 9):
            statement = f"update head set revision = {revision}"  # noqa: S608  # our own number
            await asyncio.to_thread(_elsewhere, one.database.name, statement)
            assert await one.keys.head() == await other.keys.head() == revision
    finally:
        await other.close()
        await one.close()


def _elsewhere(file: str, statement: str) -> None:
    program = f"import sqlite3; c = sqlite3.connect({file!r}); c.execute({statement!r}); c.commit(); c.close()"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=20)  # noqa: S603  # our own statement
