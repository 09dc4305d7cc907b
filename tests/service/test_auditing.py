from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from guard.model.audit import Deed, Subject, Touched
from guard.model.keys import Secret
from guard.model.names import UnixMs
from guard.service.auditing import export_trail, verify_trail
from guard.signing.audit_chain import Broken, Whole, verified_export
from guard.signing.audit_key import AuditKey
from guard.state.sealing import SealingKey
from guard.state.vault import Vault

KEY = AuditKey(Secret(bytes(range(32))))
KEYS = {KEY.id: KEY.public}
AT = UnixMs(1_800_000_000_000)


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    """Five records; the first three are signed."""
    opened = await Vault.open(f"sqlite:///{tmp_path}/guard.db", SealingKey(bytes(32), Path("sealing.key")))
    for number in range(1, 6):
        deed = Deed(command="sign in", actor="alice", why="", at=AT)
        await opened.trail.append_event(deed, Touched(subject=Subject("administrator", f"a{number}")))
        if number == 3:
            await opened.trail.sign(KEY, AT)
    yield opened
    await opened.close()


async def verdict(vault: Vault, *elsewhere: bytes) -> Whole | Broken:
    return await verify_trail(vault.trail, KEYS, elsewhere, lambda _: None)


async def fault(vault: Vault, *elsewhere: bytes) -> str:
    found = await verdict(vault, *elsewhere)
    assert isinstance(found, Broken)
    return found.fault


async def tampered(vault: Vault, statement: str, **values: object) -> None:
    async with vault.database.writing() as connection:
        await connection.execute(text(statement), values)


async def test_whole_trail_is_told_with_what_was_signed(vault: Vault) -> None:
    seen: list[int] = []
    found = await verify_trail(vault.trail, KEYS, (), seen.append)
    assert isinstance(found, Whole)
    assert (found.records, found.checkpoints, found.last and found.last.count) == (5, 1, 3)
    assert seen == [1, 2, 3, 4, 5]


async def test_changed_document_is_found(vault: Vault) -> None:
    await tampered(
        vault, "update audit_records set document = cast(replace(document, 'alice', 'mally') as blob) where number = 2"
    )
    assert await fault(vault) == "record 2 was changed: its bytes do not have its hash"


async def test_missing_row_is_found(vault: Vault) -> None:
    await tampered(vault, "delete from audit_records where number = 2")
    assert await fault(vault) == "record 2 is missing: after record 1 comes 3"


async def test_cut_tail_is_found_by_the_head(vault: Vault) -> None:
    await tampered(vault, "delete from audit_records where number > 4")
    assert await fault(vault) == "the tail was cut off: the database counts 5 records, 4 are there"


async def test_cut_tail_is_found_by_the_checkpoints_when_the_head_was_moved_too(vault: Vault) -> None:
    second = (await vault.trail.records())[2].previous
    await tampered(vault, "delete from audit_records where number > 2")
    await tampered(vault, "update head set audit_records = 2, audit_hash = :hash", hash=second)
    assert await fault(vault) == "the tail was cut off: 3 records were signed, and 2 are there"


async def test_cut_tail_is_found_by_what_was_kept_elsewhere_when_all_else_was_cut(vault: Vault) -> None:
    kept = await vault.trail.sign(KEY, AT)
    assert kept is not None
    fourth = (await vault.trail.records())[4].previous
    await tampered(vault, "delete from audit_records where number > 4")
    await tampered(vault, "delete from audit_checkpoints where count > 4")
    await tampered(vault, "update head set audit_records = 4, audit_hash = :hash", hash=fourth)
    assert isinstance(await verdict(vault), Whole)
    assert await fault(vault, kept) == "the tail was cut off: 5 records were signed, and 4 are there"


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_records set subject_id = 'bob' where number = 4",
        "update audit_records set subject_kind = 'key' where number = 4",
        "update audit_records set revision = 7 where number = 4",
    ],
)
async def test_row_that_hides_its_record_from_searches_is_found(vault: Vault, statement: str) -> None:
    await tampered(vault, statement)
    assert await fault(vault) == "the row of record 4 says other than the record: it was changed"


async def test_signature_of_nobody_known_is_found(vault: Vault) -> None:
    await vault.trail.sign(AuditKey(Secret(bytes(32))), AT)
    assert "which is none of those given" in await fault(vault)


async def test_export_is_whole_once_its_end_is_signed(vault: Vault) -> None:
    cut = verified_export([line async for line in export_trail(vault.trail)], KEYS)
    assert cut == Broken(None, "no checkpoint counts more than 3 of 5 records: the end was cut off")
    await vault.trail.sign(KEY, AT)
    lines = [line async for line in export_trail(vault.trail)]
    assert isinstance(verified_export(lines, KEYS), Whole)
    assert isinstance(verified_export(lines[:-1], KEYS), Broken)
    assert isinstance(verified_export([], KEYS), Whole)
    assert isinstance(verified_export(lines[1:], KEYS), Broken)
