"""The admin API, put together: what it acts on, who may come in, and the first token of a new database."""

import os
import secrets
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import structlog

from guard import __version__
from guard.app.audit import open_audit_key, sign_checkpoint
from guard.app.clock import AnchoredClock
from guard.app.keys import (
    banning_of,
    halting_of,
    keyring_of,
    nodes_of,
    open_vault,
    opened_store,
    overriding_of,
    revoking_of,
)
from guard.app.listening import listening
from guard.edges.admin.api import AdminApi
from guard.edges.admin.desk import Desk
from guard.edges.admin.gate import SignInDesk
from guard.edges.admin.throttle import Throttle
from guard.edges.health import Health
from guard.service.admins import Admins
from guard.service.key_orders import KeyringError
from guard.service.releases import Releases
from guard.service.reloading import Reloading
from guard.settings import Settings
from guard.state.faults import StateError
from guard.state.protocols import Tombstones
from guard.state.vault import Vault

_FILE_BYTES_MAX = 1024
_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})

_log = structlog.get_logger()


@asynccontextmanager
async def administering(settings: Settings, reloading: Reloading, health: Health) -> AsyncIterator[None]:
    """Serve the admin API for the time of the block, if the settings want one.

    A database without tokens gets its first. Raises StateError if the file of that cannot be made or used, OSError if
    the address cannot be had.
    """
    if settings.admin_listens is None:
        yield
        return
    if not _stays_here(settings.admin_listens):
        _log.warning("admin.in_the_clear", listen=settings.admin_listens)  # tokens can be read on the way
    async with open_vault(settings) as vault, opened_store(settings) as tombstones:
        api = await admin_api(settings, vault, reloading, health, tombstones)
        async with listening(api, settings.admin_listens):
            yield


async def admin_api(
    settings: Settings, vault: Vault, reloading: Reloading, health: Health, tombstones: Tombstones | None = None
) -> AdminApi:
    """The admin API over this vault; `tombstones` are those of the shared store, if there is one."""
    now = AnchoredClock(time.time_ns, time.monotonic_ns).now
    admins = Admins(vault, now=now, random=secrets.token_bytes)
    if await first_token(admins, settings.admin_token):
        _log.info("admin.first_token", file=str(settings.admin_token))
    throttle = Throttle(calls=settings.admin_calls_max, failures=settings.admin_failures_max)
    desk = Desk(
        vault=vault,
        keyring=keyring_of(vault, tombstones),
        admins=admins,
        releases=Releases(vault, now=now),
        halting=halting_of(vault),
        banning=banning_of(vault),
        overriding=overriding_of(vault, lambda: reloading.rules.base.policies),
        revoking=revoking_of(vault, tombstones),
        reloading=reloading,
        sign_trail=partial(sign_checkpoint, vault.trail, open_audit_key(settings), now, settings.audit_checkpoints),
        nodes=nodes_of(vault),
    )
    sign_in = SignInDesk(admins, throttle, now)
    return AdminApi(desk, sign_in, throttle, health, hosts=admin_hosts(settings), version=__version__)


async def first_token(admins: Admins, file: Path) -> bool:
    """Make the token in the file the first, and the file if it is not there. False if the database had one already."""
    if await admins.all():
        return False
    made = _make_private(file, admins.mint() + "\n")
    try:
        is_first = await admins.bootstrap(_read_private(file))
    except KeyringError:
        raise StateError(f"{file} holds no administrator's token: remove it, and guard makes a new one") from None
    if made and not is_first:  # another node was faster
        file.unlink()  # noqa: ASYNC240  # once, at the start
    return is_first


def admin_hosts(settings: Settings) -> frozenset[str]:
    """The names by which the admin API may be called: this machine's, where it listens, and those of the settings."""
    host = _host(settings.admin_listens or "")
    return _THIS_MACHINE | ({host} - {"", "0.0.0.0", "::"}) | frozenset(settings.admin_names)  # noqa: S104  # not bound


def _stays_here(listen: str) -> bool:
    return listen.startswith("unix:") or _host(listen) in _THIS_MACHINE


def _host(listen: str) -> str:
    return "" if listen.startswith("unix:") else listen.rpartition(":")[0].strip("[]").lower()


def _make_private(file: Path, text: str) -> bool:
    """Make the file for its owner's eyes only. False if there is one already, which stays as it is."""
    try:
        if file.exists():
            return False
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as writing:
            writing.write(text)
            writing.flush()
            os.fsync(writing.fileno())
    except OSError as error:
        raise StateError(f"the file of the first admin token {file} cannot be made ({error.strerror})") from error
    return True


def _read_private(file: Path) -> str:
    try:
        with file.open("rb") as reading:
            mode = stat.S_IMODE(os.fstat(reading.fileno()).st_mode)
            text = reading.read(_FILE_BYTES_MAX).decode("ascii", "replace").strip()
    except OSError as error:
        raise StateError(f"the file of the first admin token {file} cannot be read ({error.strerror})") from error
    if mode & 0o077:
        raise StateError(f"the file of the first admin token {file} can be read by others: run `chmod 600 {file}`")
    return text
