import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from guard.app.audit import open_audit_key, sign_checkpoint, signing_checkpoints
from guard.model.audit import Deed, Subject, Touched
from guard.model.names import UnixMs
from guard.settings import Settings
from guard.signing.audit_chain import Whole, verified
from guard.signing.audit_key import AuditKey
from guard.state.audit import AuditTrail
from guard.state.key_file import KeyFileError
from guard.state.sealing import SealingKey
from guard.state.vault import Vault

AT = UnixMs(1_800_000_000_000)
LONG_MS = 3_600_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", audit_checkpoints=tmp_path / "kept.jsonl")


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    opened = await Vault.open(f"sqlite:///{tmp_path}/guard.db", SealingKey(bytes(32), Path("sealing.key")))
    yield opened
    await opened.close()


def now() -> UnixMs:
    return AT


async def sign_in(vault: Vault) -> None:
    deed = Deed(command="sign in", actor="alice", why="", at=AT)
    await vault.trail.append_event(deed, Touched(subject=Subject("administrator", "alice")))


def kept(settings: Settings) -> list[bytes]:
    file = settings.audit_checkpoints
    return file.read_bytes().splitlines() if file is not None and file.exists() else []


async def until_kept(settings: Settings, count: int) -> None:
    async with asyncio.timeout(10):
        while len(kept(settings)) < count:  # noqa: ASYNC110  # it is a file that is waited for
            await asyncio.sleep(0.002)


def test_the_key_is_made_at_first_need_and_stays_the_same(settings: Settings) -> None:
    first = open_audit_key(settings)
    assert open_audit_key(settings).id == first.id
    assert settings.audit_key.stat().st_mode & 0o077 == 0


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    elsewhere = Settings(home=tmp_path, audit_key_file=tmp_path / "run" / "key")
    open_audit_key(elsewhere)
    (tmp_path / "run" / "key").chmod(0o644)
    with pytest.raises(KeyFileError, match=r"the audit key .* can be read by others"):
        open_audit_key(elsewhere)


async def test_the_chain_is_signed_at_the_start_each_time_it_grew_and_at_the_end(
    settings: Settings, vault: Vault
) -> None:
    await sign_in(vault)
    async with signing_checkpoints(settings, vault.trail, now, every_ms=1):
        await until_kept(settings, 1)
        await sign_in(vault)
        await until_kept(settings, 2)
    async with signing_checkpoints(settings, vault.trail, now, every_ms=LONG_MS):
        await sign_in(vault)
    extent = await vault.trail.extent()
    key = open_audit_key(settings)
    lines = [stored.line() async for stored in vault.trail.stored_records(extent)] + kept(settings)
    verdict = verified(lines, {key.id: key.public})
    assert isinstance(verdict, Whole)
    assert (verdict.checkpoints, verdict.last and verdict.last.count) == (3, 3)
    assert [line async for line in vault.trail.checkpoint_lines(extent)] == kept(settings)


async def test_a_trail_that_cannot_be_signed_is_told_and_nothing_stops(
    settings: Settings, vault: Vault, tmp_path: Path
) -> None:
    nowhere = settings.model_copy(update={"audit_checkpoints": tmp_path})
    await sign_in(vault)
    with capture_logs() as logs:
        async with signing_checkpoints(nowhere, vault.trail, now, every_ms=LONG_MS):
            pass
        await vault.database.close()
        async with vault.database.writing() as connection:
            await connection.exec_driver_sql("drop table audit_checkpoints")
        async with signing_checkpoints(settings, vault.trail, now, every_ms=LONG_MS):
            pass
    assert {log["event"] for log in logs} == {"audit.unsigned"}
    assert any("no such table" in log["error"] for log in logs)


class Silent(AuditTrail):
    async def sign(self, key: AuditKey, now: UnixMs) -> bytes | None:  # noqa: ARG002  # it never gets that far
        await asyncio.Event().wait()
        return None


async def test_database_that_does_not_answer_holds_up_no_restart(
    settings: Settings, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.app.audit._LAST_S", 0.01)
    async with asyncio.timeout(2), signing_checkpoints(settings, Silent(vault.database), now):
        pass


async def test_no_file_is_needed(settings: Settings, vault: Vault) -> None:
    await sign_in(vault)
    await sign_checkpoint(vault.trail, open_audit_key(settings), now, None)
    assert kept(settings) == []
