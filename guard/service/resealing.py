"""The administrator's line for the key-encryption key: a new one put in its place while gateways go on, and the old one
forgotten. What makes each step safe is `state/key_seals.py`; here is their order, and what the audit trail is told.
"""

from collections.abc import Callable

import msgspec

from guard.model.audit import Deed, Subject, Touched
from guard.model.names import KeyId, UnixMs
from guard.service.keyring import By
from guard.state.key_seals import AUDITED_AS
from guard.state.vault import Vault


class Resealed(msgspec.Struct, frozen=True):
    """How many secrets were sealed anew, and under which key."""

    count: int
    sealing_id: str


class Resealing:
    """What can be done to the sealing key of one vault. Raises StateError; then what was done so far stays."""

    def __init__(self, vault: Vault, *, now: Callable[[], UnixMs]) -> None:
        self._seals = vault.seals
        self._trail = vault.trail
        self._now = now

    async def add(self, by: By) -> str:
        """Have a new key in the file that does not seal yet: its id. For many nodes, which must all have it first."""
        return await self._seals.add(self._deed("add_sealing_key", by))

    async def reseal(self, by: By, progress: Callable[[int], object]) -> Resealed:
        """Seal every secret under a newer key. What was interrupted goes on where it stopped."""
        sealing_id = await self._seals.turn(self._deed("reseal", by))
        count = 0
        last: KeyId | None = KeyId("")
        while last is not None:
            moved = await self._seals.move(last)
            count, last = count + moved.count, moved.last
            progress(count)
        done = Touched(subject=Subject(AUDITED_AS, sealing_id), after={"secrets": count})
        await self._trail.append_event(self._deed("resealed", by), done)
        return Resealed(count, sealing_id)

    async def retire(self, by: By) -> tuple[str, ...]:
        """Take the old keys out of the file: their ids. Refused while a secret is sealed under one."""
        return await self._seals.retire(self._deed("retire_sealing_key", by))

    def _deed(self, command: str, by: By) -> Deed:
        return Deed(command=command, actor=by.actor, why=by.why, at=self._now(), origin=by.origin)
