import asyncio
import gc
import os
import signal
import sys
import tracemalloc
from pathlib import Path

import pytest

from guard.model.keys import KeyRecord, KeyState
from guard.model.names import KeyId, UnixMs
from guard.state import key_table
from guard.state.directory import FollowingDirectory
from guard.state.sealing import SealingKey
from guard.state.vault import Vault
from tests.state.key_records import CANARY, CREATED, deed, record, suspended

PROJECT = Path(__file__).parent.parent.parent


async def test_change_moves_the_revision_by_one_and_carries_it(vault: Vault) -> None:
    await vault.keys.insert([record("k1"), record("k2")], deed())
    await vault.keys.change(KeyId("k1"), suspended, deed("suspend"))
    revision, changed = await vault.keys.records_since(1)
    assert (revision, [(each.id, each.revision) for each in changed]) == (2, [("k1", 2)])
    assert {each.id for each in (await vault.keys.records_since(0))[1]} == {"k1", "k2"}


async def test_taken_id_adds_nothing_at_all(vault: Vault) -> None:
    await vault.keys.insert([record("k1")], deed())
    assert await vault.keys.insert([record("k2"), record("k1")], deed()) == ("k1",)
    assert await vault.keys.head() == 1
    assert await vault.keys.find(KeyId("k2")) is None
    assert len(await vault.trail.records()) == 1


async def test_unknown_key_is_changed_by_nobody(vault: Vault) -> None:
    assert await vault.keys.change(KeyId("nobody"), suspended, deed()) is None
    assert await vault.keys.head() == 0


async def test_step_that_raises_undoes_everything(vault: Vault) -> None:
    await vault.keys.insert([record("k1")], deed())

    def refuse(_: KeyRecord) -> tuple[KeyRecord, ...]:
        raise LookupError

    with pytest.raises(LookupError):
        await vault.keys.change(KeyId("k1"), refuse, deed("suspend"))
    assert await vault.keys.head() == 1
    assert len(await vault.trail.records()) == 1


async def test_last_use_is_written_without_a_new_revision_and_never_goes_back(vault: Vault) -> None:
    await vault.keys.insert([record("k1")], deed())
    for at in (5, 9, 7):
        await vault.keys.write_last_used({KeyId("k1"): UnixMs(at), KeyId("nobody"): UnixMs(1)})
    found = await vault.keys.find(KeyId("k1"))
    assert found is not None
    assert (found.last_used_at, await vault.keys.head()) == (9, 1)


WRITER = """
import asyncio, sys
from pathlib import Path
from guard.state.sealing import SealingKey
from guard.state.vault import Vault
from tests.state.key_records import CANARY, deed, record, suspended
from tests.state.test_key_table import suspended

async def main(url, path, name, most):
    vault = await Vault.open(url, SealingKey.load(Path(path)))
    for number in range(int(most)):
        key_id = f"{name}-{number}"
        await vault.keys.insert([record(key_id)], deed())
        print("created", key_id, flush=True)
        await vault.keys.change(key_id, suspended, deed("suspend"))
        print("suspended", key_id, flush=True)
    await vault.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def writer(url: str, path: Path, name: str, most: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITER, url, str(path), name, str(most)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )


async def test_nothing_that_was_acknowledged_is_lost_to_kill_9(url: str, sealing: SealingKey, tmp_path: Path) -> None:
    await (await Vault.open(url, sealing)).close()
    acknowledged: list[list[str]] = []
    for life in range(3):
        child = await writer(url, tmp_path / "home" / "sealing.key", f"life{life}", 10_000)
        assert child.stdout is not None
        acknowledged += [(await child.stdout.readline()).decode().split() for _ in range(9 + life)]
        child.send_signal(signal.SIGKILL)
        acknowledged += [line.split() for line in (await child.stdout.read()).decode().splitlines()]
        await child.wait()
    vault = await Vault.open(url, sealing)
    head, records = await vault.keys.records_since(0)
    rows = await vault.trail.records()
    await vault.close()
    known = {each.id: each.state for each in records}
    audited = {(row.command, row.subject.id) for row in rows}
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
    vault = await Vault.open(url, sealing)
    children = [await writer(url, tmp_path / "home" / "sealing.key", name, 25) for name in ("left", "right")]
    seen = 0
    followed: dict[KeyId, KeyRecord] = {}
    while any(child.returncode is None for child in children):
        head, records = await vault.keys.records_since(seen)
        assert head >= seen
        followed.update({each.id: each for each in records})
        seen = head
        await asyncio.sleep(0.005)
    _, records = await vault.keys.records_since(seen)
    followed.update({each.id: each for each in records})
    rows = await vault.trail.records()
    _, everything = await vault.keys.records_since(0)
    await vault.close()
    for child in children:
        await child.communicate()
        assert child.returncode == 0
    assert [row.revision for row in rows] == list(range(1, 101))
    assert {each.id: each.revision for each in everything} == {each.id: each.revision for each in followed.values()}


def _old(key: KeyRecord) -> bool:
    return key.id != "k2"


async def test_keys_are_moved_together_under_one_revision_each_with_its_audit_record(vault: Vault) -> None:
    await vault.keys.insert([record("k1"), record("k2"), record("k3")], deed())
    moved = await vault.keys.move_all(_old, KeyState.DEACTIVATED, deed("deactivate", "leak"))
    assert [(each.id, each.state, each.revision) for each in moved] == [
        ("k1", KeyState.DEACTIVATED, 2),
        ("k3", KeyState.DEACTIVATED, 2),
    ]
    _, stored = await vault.keys.records_since(0)
    assert {each.id: each.state for each in stored} == {
        "k1": KeyState.DEACTIVATED,
        "k2": KeyState.ACTIVE,
        "k3": KeyState.DEACTIVATED,
    }
    rows = (await vault.trail.records())[3:]
    assert [(row.subject.id, row.command, row.why, row.revision) for row in rows] == [
        ("k1", "deactivate", "leak", 2),
        ("k3", "deactivate", "leak", 2),
    ]
    told = [(row.before or {}, row.after or {}) for row in rows]
    assert [(before["state"], after["state"]) for before, after in told] == [("active", "deactivated")] * 2


async def test_moving_keys_leaves_their_material_as_it_was(vault: Vault) -> None:
    await vault.keys.insert([record("k1")], deed())
    await vault.keys.move_all(_old, KeyState.DEACTIVATED, deed("deactivate"))
    found = await vault.keys.find(KeyId("k1"))
    assert found is not None
    assert found.material.reveal() == CANARY


async def test_more_keys_than_go_into_one_statement_are_moved_all(vault: Vault) -> None:
    ids = [f"k{number:04}" for number in range(1201)]
    await vault.keys.insert([record(key_id) for key_id in ids], deed())
    moved = await vault.keys.move_all(lambda _: True, KeyState.SUSPENDED, deed("suspend"))
    assert (len(moved), await vault.keys.head()) == (1201, 2)
    _, stored = await vault.keys.records_since(1)
    assert {each.state for each in stored} == {KeyState.SUSPENDED}
    assert [row.subject.id for row in (await vault.trail.records())[1201:]] == ids


async def test_moving_no_key_writes_nothing(vault: Vault) -> None:
    await vault.keys.insert([record("k1")], deed())
    assert await vault.keys.move_all(lambda _: False, KeyState.SUSPENDED, deed("suspend")) == ()
    assert (await vault.keys.head(), len(await vault.trail.records())) == (1, 1)


async def test_a_choice_that_raises_moves_no_key(vault: Vault) -> None:
    await vault.keys.insert([record("k1"), record("k2")], deed())

    def choice(key: KeyRecord) -> bool:
        if key.id == "k2":
            raise LookupError
        return True

    with pytest.raises(LookupError):
        await vault.keys.move_all(choice, KeyState.SUSPENDED, deed("suspend"))
    assert await vault.keys.head() == 1


async def test_a_key_or_account_is_known_in_whatever_state(vault: Vault) -> None:
    await vault.keys.insert([record("k1", state=KeyState.DESTROYED)], deed())
    assert await vault.keys.is_known(key_id="k1")
    assert await vault.keys.is_known(account="acme")
    assert not await vault.keys.is_known(key_id="acme")
    assert not await vault.keys.is_known(account="k1")


async def test_bare_records_hold_no_material(vault: Vault) -> None:
    await vault.keys.insert([record("k1")], deed())
    [bare] = await vault.keys.bare_records()
    assert (bare.id, bare.material.reveal()) == ("k1", b"")


async def test_ten_thousand_keys_take_at_most_a_kibibyte_and_a_half_each(
    sqlite_url: str, sealing: SealingKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_table, "POLL_DEADLINE_S", 60)  # it is memory that is asked for, and tracing it takes time
    vault = await Vault.open(sqlite_url, sealing)
    await vault.keys.insert(
        [
            record(f"gk_{number:032}", networks=("203.0.113.0/24",), scopes=frozenset({"read"}))
            for number in range(10_000)
        ],
        deed(),
    )
    directory = FollowingDirectory(vault.keys, lambda: CREATED)
    tracemalloc.start()
    try:
        await directory.refresh()
        gc.collect()
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await vault.close()
    assert isinstance(directory.find(KeyId(f"gk_{9_999:032}"), CREATED), KeyRecord)
    assert held / 10_000 <= 1536
    assert peak / 10_000 <= 2 * 1536
