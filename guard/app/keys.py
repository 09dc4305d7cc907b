"""The administrators' lines on their database, opened: for `guard dev` and for the administrator's commands."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.nodes import NodeStatus
from guard.model.policy import PolicySet
from guard.service.admins import Admins
from guard.service.banning import Banning
from guard.service.enforcement import Enforcement
from guard.service.halting import Halting
from guard.service.keyring import Keyring
from guard.service.overriding import Overriding
from guard.service.releases import Releases
from guard.service.revoking import Revoking
from guard.settings import Settings
from guard.state.database import sealing_key_of
from guard.state.faults import StateError
from guard.state.protocols import Tombstones
from guard.state.redis.limits import open_redis
from guard.state.vault import Vault

_BURY_MS_MAX = 250


@asynccontextmanager
async def open_keyring(settings: Settings) -> AsyncIterator[Keyring]:
    """The keyring, for the time of the block. Raises StateError if its database or sealing key cannot be used."""
    async with open_vault(settings) as vault:
        yield keyring_of(vault, tombstones_of(settings))


def keyring_of(vault: Vault, tombstones: Tombstones | None = None) -> Keyring:
    """The keyring of an open vault. `tombstones` are those of the shared store, if there is one."""
    return Keyring(
        vault, now=_wall_clock, random=secrets.token_bytes, enforcement=_enforcement(vault), tombstones=tombstones
    )


def halting_of(vault: Vault) -> Halting:
    """The halts of an open vault."""
    return Halting(vault, now=_wall_clock, random=secrets.token_bytes, enforcement=_enforcement(vault))


def banning_of(vault: Vault) -> Banning:
    """The bans of an open vault."""
    return Banning(vault, now=_wall_clock, enforcement=_enforcement(vault))


def no_policies() -> PolicySet:
    """For who only looks at overrides, or lifts them: then no rule is looked for."""
    return PolicySet(services=(), digest="")


def overriding_of(vault: Vault, policies: Callable[[], PolicySet]) -> Overriding:
    """The overrides of an open vault, of rules that these policies have."""
    return Overriding(vault, policies, now=_wall_clock, random=secrets.token_bytes, enforcement=_enforcement(vault))


def revoking_of(vault: Vault, tombstones: Tombstones | None) -> Revoking:
    """Bulk revocation in an open vault."""
    return Revoking(vault, now=_wall_clock, tombstones=tombstones)


def nodes_of(vault: Vault) -> Callable[[], Awaitable[tuple[NodeStatus, ...]]]:
    """All that serve the keys of an open vault."""
    return lambda: vault.nodes.all(_wall_clock())


@asynccontextmanager
async def open_revoking(settings: Settings) -> AsyncIterator[tuple[Revoking, Keyring]]:
    """Bulk revocation, and the keyring that says when it is in force. Raises StateError as `open_keyring` does."""
    async with open_vault(settings) as vault, opened_store(settings) as tombstones:
        yield revoking_of(vault, tombstones), keyring_of(vault, tombstones)


@asynccontextmanager
async def opened_store(settings: Settings) -> AsyncIterator[Tombstones | None]:
    """The shared store, to bury many keys one after another; None where there is none, or it must not be used."""
    try:
        store = await open_redis(settings.state_url, timeout_ms=_BURY_MS_MAX) if settings.shares_state else None
    except StateError:
        store = None
    try:
        yield store
    finally:
        if store is not None:
            await store.close()


def tombstones_of(settings: Settings) -> Tombstones | None:
    """Where the keys that are ended are buried: in the shared store, if there is one."""
    return StoreFront(settings) if settings.shares_state else None


class StoreFront(Tombstones):
    """The shared store, opened when something is to be said to it: most commands have nothing to say."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def bury(self, account: AccountId, key_id: KeyId, until: UnixMs) -> bool:
        """See `Tombstones.bury`. False also for a store that must not be used."""
        async with opened_store(self._settings) as store:
            return store is not None and await store.bury(account, key_id, until)


@asynccontextmanager
async def open_admins(settings: Settings) -> AsyncIterator[Admins]:
    """The administrators' tokens, for the time of the block. Raises StateError as `open_keyring` does."""
    async with open_vault(settings) as vault:
        yield Admins(vault, now=_wall_clock, random=secrets.token_bytes)


@asynccontextmanager
async def open_releases(settings: Settings) -> AsyncIterator[Releases]:
    """What waits for a second person, for the time of the block. Raises StateError as `open_keyring` does."""
    async with open_vault(settings) as vault:
        yield Releases(vault, now=_wall_clock)


@asynccontextmanager
async def open_vault(settings: Settings) -> AsyncIterator[Vault]:
    """The key database, for the time of the block. Raises StateError if it or its sealing key cannot be used."""
    vault = await Vault.open(settings.database, await sealing_key_of(settings.database, settings.sealing_key))
    try:
        yield vault
    finally:
        await vault.close()


def _enforcement(vault: Vault) -> Enforcement:
    return Enforcement(nodes_of(vault), _monotonic_ms, asyncio.sleep)


def _wall_clock() -> UnixMs:
    return UnixMs(time.time_ns() // 1_000_000)


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000
