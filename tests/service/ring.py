"""A vault and the administrator's lines over it, on a clock that tests turn."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from guard.model.admins import Role
from guard.model.keys import KeyRecord
from guard.model.names import KeyId, UnixMs
from guard.service.admins import Admins
from guard.service.enforcement import Enforcement
from guard.service.key_orders import KeyOrder
from guard.service.key_steps import By
from guard.service.keyring import Keyring
from guard.service.releases import Releases
from guard.state.sealing import SealingKey
from guard.state.vault import Vault

START = UnixMs(1_800_000_000_000)
ALICE, BOB = By("alice", "a reason"), By("bob", "seen")
WITHDRAW = KeyOrder(account="acme", scopes=("read", "withdraw"), id="W-1")


def without_nodes(vault: Vault) -> Enforcement:
    """Says at once that a change is in force, since no node serves; no time passes."""
    return Enforcement(lambda: vault.nodes.all(START), lambda: 0, asyncio.sleep)


class Ring:
    """`withdraw` is under dual control."""

    def __init__(self, vault: Vault) -> None:
        numbers = itertools.count()

        def random(length: int) -> bytes:
            return hashlib.shake_128(b"%d" % next(numbers)).digest(length)

        self.now = START
        self.vault = vault
        self.keyring = Keyring(vault, now=lambda: self.now, random=random, enforcement=without_nodes(vault))
        self.admins = Admins(vault, now=lambda: self.now, random=random)
        self.releases = Releases(vault, now=lambda: self.now)

    async def stored(self, key_id: str) -> KeyRecord:
        found = await self.vault.keys.find(KeyId(key_id))
        assert found is not None
        return found

    async def waiting(self, key_id: str) -> str:
        """The id of what waits to be done to a key."""
        release = await self.keyring.waiting(key_id)
        assert release is not None
        return release.id

    async def active_withdrawer(self) -> None:
        """W-1, asked for by Alice and confirmed by Bob."""
        await self.keyring.create(WITHDRAW, ALICE)
        await self.releases.confirm(await self.waiting("W-1"), BOB)

    async def token(self, name: str, made_by: str) -> None:
        await self.admins.create(name, Role.ADMIN, By(made_by))


@asynccontextmanager
async def opened_ring(folder: Path) -> AsyncIterator[Ring]:
    vault = await Vault.open(f"sqlite:///{folder}/guard.db", SealingKey(bytes(32), Path("sealing.key")))
    try:
        await vault.releases.set_scopes({"withdraw"}, By("policy").deed("set_dual_control", START))
        yield Ring(vault)
    finally:
        await vault.close()
