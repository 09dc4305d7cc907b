import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select

from guard.model.audit import Checkpoint, Subject, Touched
from guard.model.keys import KeyState, Secret
from guard.model.names import KeyId, UnixMs
from guard.signing.audit_chain import Whole, hash_of, verified
from guard.signing.audit_key import AuditKey
from guard.state.audit import AuditTrail
from guard.state.faults import StateError
from guard.state.sealing import SealingKey
from guard.state.sql_schema import AUDIT_CHECKPOINTS
from guard.state.vault import Vault
from guard.wire.audit_lines import CheckpointLine, read_line, value_of
from tests.state.key_records import CREATED, deed, record, suspended

PROJECT = Path(__file__).parent.parent.parent
KEY = AuditKey(Secret(bytes(range(32))))
SIGN_IN = Touched(subject=Subject("administrator", "alice"), after={"signed_in": True})


async def lines_of(trail: AuditTrail) -> list[bytes]:
    extent = await trail.extent()
    lines = [stored.line() async for stored in trail.stored_records(extent)]
    return [*lines, *[line async for line in trail.checkpoint_lines(extent)]]


async def whole(trail: AuditTrail) -> Whole:
    verdict = verified(await lines_of(trail), {KEY.id: KEY.public})
    assert isinstance(verdict, Whole), verdict
    return verdict


async def test_change_whose_record_cannot_be_written_is_undone(vault: Vault) -> None:
    await vault.keys.insert([record("k1")], deed())
    with pytest.raises(StateError, match="the audit record of suspend would be longer than 1048576 bytes"):
        await vault.keys.change(KeyId("k1"), suspended, deed("suspend", why="x" * (1 << 20)))
    found = await vault.keys.find(KeyId("k1"))
    assert found is not None
    assert (found.state, await vault.keys.head()) == (KeyState.ACTIVE, 1)
    assert (await whole(vault.trail)).records == 1


async def test_audit_tells_who_did_what_when_why_from_where_and_the_key_before_and_after(vault: Vault) -> None:
    await vault.keys.insert([record("k1"), record("k2")], deed(why="new client"))
    from_desk = msgspec.structs.replace(deed("suspend", why="holiday"), origin="cli desk")
    await vault.keys.change(KeyId("k1"), suspended, from_desk)
    created, changed = await vault.trail.records(Subject("key", "k1"))
    assert (created.command, created.why, created.before, created.revision) == ("create", "new client", None, 1)
    assert (changed.actor, changed.command, changed.why, changed.at_ms) == ("alice", "suspend", "holiday", CREATED)
    assert (changed.origin, changed.number, changed.revision) == ("cli desk", 3, 2)
    assert changed.before is not None
    assert changed.after is not None
    assert (changed.before["state"], changed.after["state"]) == ("active", "suspended")
    assert len(await vault.trail.records()) == 3


async def test_records_of_changes_and_of_events_are_one_chain_without_gaps(vault: Vault) -> None:
    await vault.trail.append_event(deed("sign in"), SIGN_IN)
    await vault.keys.insert([record("k1"), record("k2")], deed())
    await vault.trail.append_event(deed("sign in"), SIGN_IN, SIGN_IN)
    records = await vault.trail.records()
    assert [each.number for each in records] == [1, 2, 3, 4, 5]
    assert [each.revision for each in records] == [None, 1, 1, None, None]
    assert (await whole(vault.trail)).records == 5
    assert await vault.keys.head() == 1, "an event is no change of keys"


async def test_event_without_a_subject_is_nothing(vault: Vault) -> None:
    await vault.trail.append_event(deed())
    assert await vault.trail.records() == ()


async def test_document_is_stored_as_it_was_hashed(vault: Vault) -> None:
    await vault.trail.append_event(deed(why='"},{"forged":1}\r\n\x1b[2J\x00'), SIGN_IN)
    [stored] = [each async for each in vault.trail.stored_records(await vault.trail.extent())]
    assert stored.hash == hash_of(stored.document)
    assert stored.document.decode("ascii").isprintable()
    assert json.loads(stored.document)["why"] == '"},{"forged":1}\r\n\x1b[2J\x00'
    assert json.loads(stored.line())["hash"] == stored.hash


async def test_record_that_cannot_be_read_says_what_to_do(vault: Vault) -> None:
    await vault.trail.append_event(deed(), SIGN_IN)
    async with vault.database.writing() as connection:
        await connection.exec_driver_sql("update audit_records set document = '{}'")
    with pytest.raises(StateError, match="audit record 1 cannot be read: `guard audit verify`"):
        await vault.trail.records()


async def test_many_records_are_read_in_their_order(vault: Vault) -> None:
    await vault.trail.append_event(deed(), *[SIGN_IN] * 2500)
    assert [each.number for each in await vault.trail.records()] == list(range(1, 2501))


async def test_checkpoint_is_signed_only_when_the_chain_grew(vault: Vault) -> None:
    assert await vault.trail.sign(KEY, CREATED) is None
    await vault.trail.append_event(deed(), SIGN_IN)
    line = await vault.trail.sign(KEY, CREATED)
    assert line is not None
    carried = read_line(line)
    assert isinstance(carried, CheckpointLine)
    extent = await vault.trail.extent()
    assert value_of(carried.document, Checkpoint) == Checkpoint(count=1, hash=extent.hash, at_ms=CREATED, key=KEY.id)
    assert await vault.trail.sign(KEY, UnixMs(CREATED + 1)) is None
    await vault.trail.append_event(deed(), SIGN_IN)
    assert await vault.trail.sign(KEY, UnixMs(CREATED + 2)) is not None
    verdict = await whole(vault.trail)
    assert (verdict.checkpoints, verdict.last and verdict.last.count) == (2, 2)


async def test_each_node_signs_with_its_own_key(vault: Vault) -> None:
    await vault.trail.append_event(deed(), SIGN_IN)
    other = AuditKey(Secret(bytes(32)))
    assert None not in (await vault.trail.sign(KEY, CREATED), await vault.trail.sign(other, CREATED))
    verdict = verified(await lines_of(vault.trail), {KEY.id: KEY.public, other.id: other.public})
    assert isinstance(verdict, Whole)
    assert verdict.checkpoints == 2


async def test_two_that_sign_at_once_keep_one_checkpoint(vault: Vault) -> None:
    await vault.trail.append_event(deed(), SIGN_IN)
    lines = await asyncio.gather(*(vault.trail.sign(KEY, CREATED) for _ in range(8)))
    assert sum(line is not None for line in lines) == 1
    async with vault.database.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(AUDIT_CHECKPOINTS)) == 1


async def test_checkpoint_that_is_signed_while_the_trail_is_read_is_left_out(vault: Vault) -> None:
    await vault.trail.append_event(deed(), SIGN_IN)
    extent = await vault.trail.extent()
    await vault.trail.append_event(deed(), SIGN_IN)
    await vault.trail.sign(KEY, CREATED)
    assert [line async for line in vault.trail.checkpoint_lines(extent)] == []
    assert [stored.number async for stored in vault.trail.stored_records(extent)] == [1]


WRITER = """
import asyncio, sys
from pathlib import Path
from guard.model.audit import Subject, Touched
from guard.state.database import DatabaseError
from guard.state.sealing import SealingKey
from guard.state.vault import Vault
from tests.state.key_records import deed

async def main(url, path, name, most):
    vault = await Vault.open(url, SealingKey.load(Path(path)))
    for number in range(int(most)):
        subject = Subject("test", f"{name}-{number}")
        while True:
            try:
                await vault.trail.append_event(deed("write"), Touched(subject=subject, after={"number": number}))
            except DatabaseError:  # seven others held the lock for longer than a writer waits: it was told, so again
                continue
            break
        print(subject.id, flush=True)
    await vault.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def writer(url: str, path: Path, name: str, most: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITER, url, str(path), name, str(most)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )


@pytest.mark.system
async def test_8_processes_with_1000_records_each_make_one_whole_chain(
    url: str, sealing: SealingKey, tmp_path: Path
) -> None:
    vault = await Vault.open(url, sealing)
    children = [await writer(url, tmp_path / "home" / "sealing.key", f"w{number}", 1000) for number in range(8)]
    await asyncio.gather(*(child.communicate() for child in children))
    assert [child.returncode for child in children] == [0] * 8
    await vault.trail.sign(KEY, CREATED)
    assert (await whole(vault.trail)).records == 8000
    written = [each.subject.id for each in await vault.trail.records()]
    lines = await lines_of(vault.trail)
    await vault.close()
    assert sorted(written) == sorted(f"w{name}-{number}" for name in range(8) for number in range(1000))
    for name in range(8):
        assert [each for each in written if each.startswith(f"w{name}-")] == [f"w{name}-{n}" for n in range(1000)]
    keys = {KEY.id: KEY.public}
    assert not isinstance(verified([*lines[:-2], lines[-1]], keys), Whole), "a cut tail"
    changed = lines[4000].replace(b"write", b"wrote")
    assert not isinstance(verified([*lines[:4000], changed, *lines[4001:]], keys), Whole), "a changed byte"


async def test_chain_is_whole_after_kill_9_and_lost_nothing_that_was_acknowledged(
    url: str, sealing: SealingKey, tmp_path: Path
) -> None:
    await (await Vault.open(url, sealing)).close()
    acknowledged: list[str] = []
    for life in range(3):
        child = await writer(url, tmp_path / "home" / "sealing.key", f"life{life}", 10_000)
        assert child.stdout is not None
        acknowledged += [(await child.stdout.readline()).decode().strip() for _ in range(9 + life)]
        child.send_signal(signal.SIGKILL)
        acknowledged += (await child.stdout.read()).decode().split("\n")[:-1]
        await child.wait()
    vault = await Vault.open(url, sealing)
    verdict = await whole(vault.trail)
    written = {each.subject.id for each in await vault.trail.records()}
    extent = await vault.trail.extent()
    await vault.close()
    assert set(acknowledged) <= written
    assert verdict.records == extent.records == len(written) >= 30
