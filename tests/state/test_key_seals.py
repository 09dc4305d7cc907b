import asyncio
from pathlib import Path

import msgspec
import pytest

from guard.model.keys import KeyAlgorithm, KeyRecord, Secret
from guard.model.names import KeyId
from guard.state.faults import StateError
from guard.state.key_seals import Moved
from guard.state.sealing import SealingError, SealingKey
from guard.state.vault import Vault
from tests.state.key_records import CANARY, deed, record, suspended

FIRST = KeyId("")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "sealing.key"


def copied(path: Path, copy: Path) -> None:
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o600)


async def secrets_of(vault: Vault) -> dict[str, bytes]:
    _, records = await vault.keys.records_since(-1)
    return {each.id: each.material.reveal() for each in records}


async def test_every_secret_is_moved_and_stays_the_same(vault: Vault, sealing: SealingKey) -> None:
    api_key = record("k2", algorithm=KeyAlgorithm.API_KEY, material=Secret(sealing.pepper + b"h" * 32))
    await vault.keys.insert([record("k1"), api_key, record("k3", material=Secret(b""))], deed())
    before = await secrets_of(vault)
    old = sealing.ids[0]
    new = await vault.seals.turn(deed("reseal"))
    assert await vault.seals.counts() == {old: 2}
    assert await vault.seals.move(FIRST) == Moved(2, None)
    assert await vault.seals.counts() == {new: 2}
    assert await secrets_of(vault) == before
    assert sealing.ids == (new, old)
    assert await vault.keys.head() == 1, "no gateway has to read its keys again"


async def test_move_goes_on_after_the_last_key(vault: Vault) -> None:
    await vault.keys.insert([record(f"k{number:04}") for number in range(501)], deed())
    await vault.seals.turn(deed())
    moved = await vault.seals.move(FIRST)
    assert moved == Moved(500, KeyId("k0499"))
    assert await vault.seals.move(KeyId("k0499")) == Moved(1, None)


async def test_running_gateway_reads_on_and_seals_under_the_new_key(vault: Vault, url: str, path: Path) -> None:
    running = await Vault.open(url, SealingKey.load(path))
    await running.keys.insert([record("k1")], deed())
    new = await vault.seals.turn(deed())
    await running.keys.insert([record("k2")], deed())
    assert (await vault.seals.counts())[new] == 1
    await vault.seals.move(FIRST)
    await running.keys.change(KeyId("k1"), suspended, deed())
    assert await secrets_of(running) == {"k1": CANARY, "k2": CANARY}
    await vault.seals.retire(deed())
    await running.keys.insert([record("k3")], deed())
    await running.close()
    assert await vault.seals.counts() == {new: 3}
    fresh = await Vault.open(url, SealingKey.load(path))
    assert await secrets_of(fresh) == {"k1": CANARY, "k2": CANARY, "k3": CANARY}
    await fresh.close()


async def test_changes_beside_the_move_lose_nothing(vault: Vault, url: str, path: Path) -> None:
    await vault.keys.insert([record(f"k{number:04}") for number in range(1500)], deed())
    running = await Vault.open(url, SealingKey.load(path))

    async def change() -> None:
        for number in range(40):
            await running.keys.insert([record(f"n{number:04}")], deed())
            await running.keys.change(KeyId(f"k{number * 30:04}"), _relabelled, deed("relabel"))

    async def move() -> None:
        last: KeyId | None = FIRST
        await vault.seals.turn(deed())
        while last is not None:
            last = (await vault.seals.move(last)).last

    await asyncio.gather(change(), move())
    assert list(await vault.seals.counts()) == [vault.sealing.ids[0]]
    assert set((await secrets_of(running)).values()) == {CANARY}
    assert sum(each.label == "new" for each in (await running.keys.records_since(-1))[1]) == 40
    await running.close()


def _relabelled(key: KeyRecord) -> tuple[KeyRecord, ...]:
    return (msgspec.structs.replace(key, label="new"),)


async def test_node_whose_file_lacks_the_new_key_writes_nothing_and_does_not_start(
    vault: Vault, url: str, sealing: SealingKey, path: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.key"
    copied(path, copy)
    elsewhere = await Vault.open(url, SealingKey.load(copy))
    await vault.seals.turn(deed())
    with pytest.raises(SealingError, match="copy the newest sealing key file to this node"):
        await elsewhere.keys.insert([record("k1")], deed())
    await elsewhere.close()
    with pytest.raises(SealingError, match=f"{sealing.ids[0]} now, which is not in {copy}"):
        await Vault.open(url, SealingKey.load(copy))
    copied(path, copy)
    await (await Vault.open(url, SealingKey.load(copy))).close()


async def test_key_that_was_added_waits_until_it_is_turned_to(vault: Vault, sealing: SealingKey) -> None:
    await vault.keys.insert([record("k1")], deed())
    old = sealing.ids[0]
    added = await vault.seals.add(deed("add_sealing_key"))
    assert await vault.seals.add(deed()) == added, "one is enough"
    await vault.keys.insert([record("k2")], deed())
    assert await vault.seals.counts() == {old: 2}
    assert await vault.seals.turn(deed()) == added
    assert sealing.ids == (added, old)


async def test_turn_that_stopped_after_the_file_was_written_is_taken_up(vault: Vault, sealing: SealingKey) -> None:
    await vault.keys.insert([record("k1")], deed())
    added = sealing.add()
    assert await vault.seals.turn(deed()) == added
    assert len(sealing.ids) == 2


async def test_move_that_stopped_is_taken_up_with_the_same_key(vault: Vault, sealing: SealingKey) -> None:
    await vault.keys.insert([record(f"k{number:04}") for number in range(501)], deed())
    new = await vault.seals.turn(deed())
    await vault.seals.move(FIRST)
    assert await vault.seals.turn(deed()) == new
    assert await vault.seals.move(FIRST) == Moved(1, None)
    assert len(sealing.ids) == 2
    assert await vault.seals.turn(deed()) != new, "nothing was left to move, so this is another time"


async def test_old_key_is_kept_while_a_secret_needs_it(vault: Vault, sealing: SealingKey, path: Path) -> None:
    assert await vault.seals.retire(deed()) == ()
    await vault.keys.insert([record("k1")], deed())
    old = sealing.ids[0]
    new = await vault.seals.turn(deed())
    with pytest.raises(StateError, match="1 secrets are still sealed under an old key: run `guard keys reseal` first"):
        await vault.seals.retire(deed())
    await vault.seals.move(FIRST)
    assert await vault.seals.retire(deed("retire_sealing_key")) == (old,)
    assert SealingKey.load(path).ids == (new,)
    assert await vault.seals.retire(deed()) == ()


async def test_key_that_waits_is_not_retired(vault: Vault, sealing: SealingKey) -> None:
    await vault.keys.insert([record("k1")], deed())
    old = sealing.ids[0]
    new = await vault.seals.turn(deed())
    await vault.seals.move(FIRST)
    waiting = await vault.seals.add(deed())
    assert await vault.seals.retire(deed()) == (old,)
    assert sealing.ids == (waiting, new)


async def test_two_that_turn_at_once_lose_no_key(vault: Vault, url: str, path: Path) -> None:
    await vault.keys.insert([record("k1")], deed())
    other = await Vault.open(url, SealingKey.load(path))
    assert len(set(await asyncio.gather(vault.seals.turn(deed()), other.seals.turn(deed())))) == 1
    await other.seals.move(FIRST)
    await other.close()
    assert await secrets_of(vault) == {"k1": CANARY}


async def test_each_step_is_in_the_trail_without_any_secret(vault: Vault, sealing: SealingKey) -> None:
    await vault.keys.insert([record("k1")], deed())
    old = sealing.ids[0]
    new = await vault.seals.add(deed("add_sealing_key"))
    await vault.seals.turn(deed("reseal"))
    await vault.seals.move(FIRST)
    await vault.seals.retire(deed("retire_sealing_key"))
    _, added, turned, retired = await vault.trail.records()
    assert [(each.command, each.subject.kind, each.subject.id) for each in (added, turned, retired)] == [
        ("add_sealing_key", "sealing_key", new),
        ("reseal", "sealing_key", new),
        ("retire_sealing_key", "sealing_key", old),
    ]
    assert (turned.before, turned.after) == ({"seals": old}, {"seals": new})


async def test_secret_of_a_lost_key_is_found_at_the_start_whichever_it_is(
    vault: Vault, url: str, sealing: SealingKey, path: Path
) -> None:
    await vault.keys.insert([record(f"k{number:04}") for number in range(501)], deed())
    await vault.seals.turn(deed())
    await vault.seals.move(FIRST)
    sealing.drop(sealing.ids[1:])
    with pytest.raises(SealingError, match=r"the secret of key k0500 was sealed under another sealing key"):
        await Vault.open(url, SealingKey.load(path))
    async with vault.database.writing() as connection:
        await connection.exec_driver_sql("delete from keys where id = 'k0500'")
    await (await Vault.open(url, SealingKey.load(path))).close()


async def test_new_database_is_opened_with_one_key_only_also_before_it_holds_a_secret(
    vault: Vault, url: str, sealing: SealingKey, tmp_path: Path
) -> None:
    assert (await vault.keys.records_since(0))[1] == ()
    with pytest.raises(SealingError, match=f"sealed under key {sealing.ids[-1]} now, which is not in"):
        await Vault.open(url, SealingKey.create(tmp_path / "other.key"))
