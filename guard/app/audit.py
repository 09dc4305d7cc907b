"""The key that signs the audit trail, and who signs: each process that serves, every minute in which the chain grew."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from guard.model.names import UnixMs
from guard.settings import Settings
from guard.signing.audit_key import AuditKey
from guard.state.audit import AuditTrail
from guard.state.faults import StateError
from guard.state.key_file import KeyFile

SIGN_EVERY_MS = 60_000

_LAST_S = 2
"""How long the end waits for the last checkpoint. A database that is gone must not hold up a restart."""

_log = structlog.get_logger()


def open_audit_key(settings: Settings) -> AuditKey:
    """The key, made now if there is none yet. Raises KeyFileError if its file cannot be used."""
    file = KeyFile(settings.audit_key, "audit key", "name the file with GUARD_AUDIT_KEY_FILE")
    return AuditKey(file.load_or_create())


@asynccontextmanager
async def signing_checkpoints(
    settings: Settings, trail: AuditTrail, now: Callable[[], UnixMs], *, every_ms: int = SIGN_EVERY_MS
) -> AsyncIterator[None]:
    """For the time of the block the end of the chain is signed: at once, then every `every_ms`, and when it ends."""
    key = open_audit_key(settings)
    stop = asyncio.Event()

    async def signing() -> None:
        last = False
        while not last:
            last = stop.is_set()
            await _attempt(trail, key, now, settings.audit_checkpoints)
            await asyncio.wait((waiting,), timeout=every_ms / 1000)

    waiting = asyncio.create_task(stop.wait())
    task = asyncio.create_task(signing(), name="sign the audit trail")
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait((task,), timeout=_LAST_S)
        task.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)


async def sign_checkpoint(trail: AuditTrail, key: AuditKey, now: Callable[[], UnixMs], file: Path | None) -> None:
    """Sign the end of the chain if this key has not yet, and append the checkpoint to `file`, to be kept elsewhere."""
    line = await trail.sign(key, now())
    if line is not None and file is not None:
        with file.open("ab", buffering=0) as kept:
            kept.write(line + b"\n")


async def _attempt(trail: AuditTrail, key: AuditKey, now: Callable[[], UnixMs], file: Path | None) -> None:
    try:
        await sign_checkpoint(trail, key, now, file)
    except (StateError, OSError) as error:
        _log.error("audit.unsigned", error=str(error))
