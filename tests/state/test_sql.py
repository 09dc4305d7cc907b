import asyncio
import json
import os
import shutil
import signal
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from guard.model.keys import KeyAlgorithm, KeyRecord, KeyState, Secret
from guard.model.names import KeyId, UnixMs
from guard.state.key_file import KeyFileError
from guard.state.sealing import SealingError, SealingKey
from guard.state.sql import DatabaseError, KeyDatabase, sealing_key_of
from tests.state.key_records import CANARY, CREATED, deed, record

PROJECT = Path(__file__).parent.parent.parent


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/home/guard.db"


@pytest.fixture
def sealing(tmp_path: Path) -> SealingKey:
    return SealingKey.create(tmp_path / "home" / "sealing.key")


@pytest.fixture
async def database(url: str, sealing: SealingKey) -> AsyncIterator[KeyDatabase]:
    opened = await KeyDatabase.open(url, sealing)
    yield opened
    await opened.close()


def suspended(key: KeyRecord) -> tuple[KeyRecord, ...]:
    return (msgspec.structs.replace(key, state=KeyState.SUSPENDED),)


async def test_new_database_is_empty_and_private(database: KeyDatabase, tmp_path: Path) -> None:
    assert await database.head() == 0
    assert await database.records_since(0) == (0, ())
    for path in (tmp_path / "home").glob("guard.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_commits_reach_the_disk_before_they_are_acknowledged(database: KeyDatabase) -> None:
    async with database._engine.connect() as connection:
        found = [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")
        ]
    assert found == ["wal", 2]


async def test_change_moves_the_revision_by_one_and_carries_it(database: KeyDatabase) -> None:
    await database.insert([record("k1"), record("k2")], deed())
    await database.change(KeyId("k1"), suspended, deed("suspend"))
    revision, changed = await database.records_since(1)
    assert (revision, [(each.id, each.revision) for each in changed]) == (2, [("k1", 2)])
    assert {each.id for each in (await database.records_since(0))[1]} == {"k1", "k2"}


async def test_taken_id_adds_nothing_at_all(database: KeyDatabase) -> None:
    await database.insert([record("k1")], deed())
    assert await database.insert([record("k2"), record("k1")], deed()) == ("k1",)
    assert await database.head() == 1
    assert await database.find(KeyId("k2")) is None
    assert len(await database.audit_rows()) == 1


async def test_unknown_key_is_changed_by_nobody(database: KeyDatabase) -> None:
    assert await database.change(KeyId("nobody"), suspended, deed()) is None
    assert await database.head() == 0


async def test_step_that_raises_undoes_everything(database: KeyDatabase) -> None:
    await database.insert([record("k1")], deed())

    def refuse(_: KeyRecord) -> tuple[KeyRecord, ...]:
        raise LookupError

    with pytest.raises(LookupError):
        await database.change(KeyId("k1"), refuse, deed("suspend"))
    assert await database.head() == 1
    assert len(await database.audit_rows()) == 1


async def test_failing_audit_row_undoes_the_change(database: KeyDatabase) -> None:
    await database.insert([record("k1")], deed())
    nameless = msgspec.structs.replace(deed("suspend"), actor=None)
    with pytest.raises(DatabaseError):
        await database.change(KeyId("k1"), suspended, nameless)
    found = await database.find(KeyId("k1"))
    assert found is not None
    assert (found.state, await database.head()) == (KeyState.ACTIVE, 1)


async def test_audit_tells_who_did_what_when_why_and_the_key_before_and_after(database: KeyDatabase) -> None:
    await database.insert([record("k1"), record("k2")], deed(why="new client"))
    await database.change(KeyId("k1"), suspended, deed("suspend", why="holiday"))
    created, changed = await database.audit_rows(KeyId("k1"))
    assert (created.command, created.why, created.before, created.revision) == ("create", "new client", None, 1)
    assert (changed.actor, changed.command, changed.why, changed.at) == ("alice", "suspend", "holiday", CREATED)
    assert changed.before is not None
    assert json.loads(changed.before)["state"] == "active"
    assert json.loads(changed.after)["state"] == "suspended"
    assert len(await database.audit_rows()) == 3


async def test_last_use_is_written_without_a_new_revision_and_never_goes_back(database: KeyDatabase) -> None:
    await database.insert([record("k1")], deed())
    for at in (5, 9, 7):
        await database.write_last_used({KeyId("k1"): UnixMs(at), KeyId("nobody"): UnixMs(1)})
    found = await database.find(KeyId("k1"))
    assert found is not None
    assert (found.last_used_at, await database.head()) == (9, 1)


async def test_no_secret_is_in_any_file_of_the_database_nor_in_the_audit(
    url: str, sealing: SealingKey, tmp_path: Path
) -> None:
    database = await KeyDatabase.open(url, sealing)
    await database.insert([record("k1"), record("k2", algorithm=KeyAlgorithm.HMAC_SHA512)], deed())
    await database.change(KeyId("k1"), suspended, deed("suspend"))
    assert CANARY.decode() not in repr((await database.audit_rows(), await database.records_since(0)))
    names = set()
    for path in (tmp_path / "home").iterdir():
        names.add(path.name)
        assert CANARY not in path.read_bytes(), path
    assert {"guard.db", "guard.db-wal"} <= names
    await database.close()
    assert CANARY not in (tmp_path / "home" / "guard.db").read_bytes()


async def test_key_survives_closing_and_opening(url: str, sealing: SealingKey) -> None:
    first = await KeyDatabase.open(url, sealing)
    await first.insert([record("k1")], deed())
    await first.close()
    second = await KeyDatabase.open(url, sealing)
    found = await second.find(KeyId("k1"))
    await second.close()
    assert found is not None
    assert found.material.reveal() == CANARY


async def test_destroyed_material_is_gone_from_the_row(database: KeyDatabase, tmp_path: Path) -> None:
    await database.insert([record("k1")], deed())
    gone = {"state": KeyState.DESTROYED, "material": Secret(b"")}
    await database.change(KeyId("k1"), lambda key: (msgspec.structs.replace(key, **gone),), deed("destroy"))
    await database.close()
    raw = sqlite3.connect(tmp_path / "home" / "guard.db")
    assert raw.execute("select sealed_material from keys").fetchall() == [(None,)]
    raw.close()


async def test_wrong_sealing_key_is_found_when_the_database_is_opened(
    database: KeyDatabase, url: str, tmp_path: Path
) -> None:
    await database.insert([record("k1")], deed())
    other = SealingKey.create(tmp_path / "other.key")
    with pytest.raises(SealingError, match=r"sealed under another sealing key than .*other\.key"):
        await KeyDatabase.open(url, other)


async def test_sealing_key_is_made_with_the_database_and_missed_when_lost(url: str, tmp_path: Path) -> None:
    path = tmp_path / "home" / "sealing.key"
    sealing = sealing_key_of(url, path)
    await (await KeyDatabase.open(url, sealing)).close()
    assert sealing_key_of(url, path).pepper == sealing.pepper
    path.unlink()
    with pytest.raises(KeyFileError, match="there is no sealing key"):
        sealing_key_of(url, path)


async def test_database_of_a_newer_guard_is_refused(database: KeyDatabase, url: str, sealing: SealingKey) -> None:
    async with database._writing() as connection:
        await connection.exec_driver_sql("update alembic_version set version_num = '0099'")
    with pytest.raises(DatabaseError, match="has schema 0099, and this guard knows only 0001"):
        await KeyDatabase.open(url, sealing)


@pytest.mark.parametrize(
    "url", ["postgresql://db/guard", "sqlite://", "sqlite:///:memory:", "mysql://x:secret@y/z", "nonsense", ""]
)
async def test_only_files_are_databases_yet(url: str, sealing: SealingKey) -> None:
    with pytest.raises(DatabaseError, match="GUARD_DATABASE_URL") as raised:
        await KeyDatabase.open(url, sealing)
    assert "secret" not in str(raised.value)


async def test_file_that_is_no_database_is_refused(url: str, sealing: SealingKey, tmp_path: Path) -> None:
    (tmp_path / "home" / "guard.db").write_bytes(b"This is no database, but a text that is long enough.\n" * 100)
    with pytest.raises(DatabaseError, match="file is not a database"):
        await KeyDatabase.open(url, sealing)


async def test_path_that_cannot_be_opened_is_named(sealing: SealingKey, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot be opened"):
        await KeyDatabase.open(f"sqlite:///{tmp_path}", sealing)


async def test_database_that_fails_later_says_so_without_parameters(database: KeyDatabase, tmp_path: Path) -> None:
    async with database._writing() as connection:
        await connection.exec_driver_sql("drop table audit")
    with pytest.raises(DatabaseError, match="no such table: audit") as raised:
        await database.insert([record("k1")], deed())
    assert CANARY.decode() not in f"{raised.value} {raised.value.__cause__}"
    assert str(tmp_path) in str(raised.value)


async def test_older_copy_put_in_place_has_the_older_revision(url: str, sealing: SealingKey, tmp_path: Path) -> None:
    first = await KeyDatabase.open(url, sealing)
    await first.insert([record("k1")], deed())
    await first.close()
    path = tmp_path / "home" / "guard.db"
    shutil.copy(path, tmp_path / "old.db")
    second = await KeyDatabase.open(url, sealing)
    await second.insert([record("k2")], deed())
    assert await second.head() == 2
    await second.close()
    shutil.copy(tmp_path / "old.db", path)
    third = await KeyDatabase.open(url, sealing)
    assert await third.head() == 1
    await third.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from guard.state.sealing import SealingKey
from guard.state.sql import KeyDatabase
from tests.state.key_records import deed, record
from tests.state.test_sql import suspended

async def main(url, path, name, most):
    database = await KeyDatabase.open(url, SealingKey.load(Path(path)))
    for number in range(int(most)):
        key_id = f"{name}-{number}"
        await database.insert([record(key_id)], deed())
        print("created", key_id, flush=True)
        await database.change(key_id, suspended, deed("suspend"))
        print("suspended", key_id, flush=True)
    await database.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def writer(url: str, path: Path, name: str, most: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITER, url, str(path), name, str(most)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )


async def test_nothing_that_was_acknowledged_is_lost_to_kill_9(url: str, sealing: SealingKey, tmp_path: Path) -> None:
    await (await KeyDatabase.open(url, sealing)).close()
    acknowledged: list[list[str]] = []
    for life in range(3):
        child = await writer(url, tmp_path / "home" / "sealing.key", f"life{life}", 10_000)
        assert child.stdout is not None
        acknowledged += [(await child.stdout.readline()).decode().split() for _ in range(9 + life)]
        child.send_signal(signal.SIGKILL)
        acknowledged += [line.split() for line in (await child.stdout.read()).decode().splitlines()]
        await child.wait()
    database = await KeyDatabase.open(url, sealing)
    head, records = await database.records_since(0)
    rows = await database.audit_rows()
    await database.close()
    known = {each.id: each.state for each in records}
    audited = {(row.command, row.key_id) for row in rows}
    assert len(acknowledged) >= 30
    for command, key_id in acknowledged:
        assert key_id in known
        assert ("create", key_id) in audited
        if command == "suspended":
            assert known[KeyId(key_id)] is KeyState.SUSPENDED
            assert ("suspend", key_id) in audited
    assert [row.revision for row in rows] == list(range(1, head + 1))


async def test_two_writers_give_out_each_revision_once_and_in_order(
    url: str, sealing: SealingKey, tmp_path: Path
) -> None:
    database = await KeyDatabase.open(url, sealing)
    children = [await writer(url, tmp_path / "home" / "sealing.key", name, 25) for name in ("left", "right")]
    seen = 0
    followed: dict[KeyId, KeyRecord] = {}
    while any(child.returncode is None for child in children):
        head, records = await database.records_since(seen)
        assert head >= seen
        followed.update({each.id: each for each in records})
        seen = head
        await asyncio.sleep(0.005)
    _, records = await database.records_since(seen)
    followed.update({each.id: each for each in records})
    rows = await database.audit_rows()
    _, everything = await database.records_since(0)
    await database.close()
    for child in children:
        await child.communicate()
        assert child.returncode == 0
    assert [row.revision for row in rows] == list(range(1, 101))
    assert {each.id: each.revision for each in everything} == {each.id: each.revision for each in followed.values()}
