"""Dual control: whether a change of keys needs a second person, and the requests that are then written with it.

The scopes that need one are those of the policies in force; gateways write them into the database, so that whoever
changes keys there without a gateway is bound by them too. Confirming is `releases.py`.
"""

from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from guard.model.admins import Release
from guard.model.audit import Deed
from guard.model.keys import KeyRecord
from guard.model.names import KeyId, UnixMs
from guard.service.key_orders import KeyringError, Obstacle
from guard.service.key_steps import By
from guard.signing.tokens import RELEASE_ID_PREFIX, mint_id
from guard.state.database import Also
from guard.state.releases import ReleaseTable, pending, write_requests, write_scopes
from guard.state.vault import Vault

RELEASE_MS = 24 * 3600 * 1000
"""How long a request waits for its second person."""

_ID_RANDOM_BYTES = 20


class DualControl:
    """What `Keyring` asks of it."""

    def __init__(self, releases: ReleaseTable, random: Callable[[int], bytes]) -> None:
        self._releases = releases
        self._random = random

    async def requests(
        self, records: Sequence[KeyRecord], command: str, by: By, now: UnixMs, *, overlap_ms: int | None = None
    ) -> tuple[Release, ...]:
        """A request for each of the keys that has a scope under dual control."""
        scopes = await self._releases.scopes()
        return tuple(
            Release(
                id=mint_id(RELEASE_ID_PREFIX, self._random(_ID_RANDOM_BYTES)),
                command=command,
                key_id=record.id,
                overlap_ms=overlap_ms,
                requested_by=by.actor,
                requested_at=now,
                why=by.why,
                expires_at=UnixMs(now + RELEASE_MS),
            )
            for record in records
            if record.scopes & scopes
        )

    def writing(self, requests: Sequence[Release], deed: Deed) -> Also:
        """Writes the requests with the change that they belong to. A key waits for one thing at a time."""

        async def write(connection: AsyncConnection) -> None:
            for request in requests:
                waiting = await pending(connection, request.key_id, request.requested_at)
                if waiting is not None:
                    raise KeyringError(
                        f"key {request.key_id} waits for a second person already: "
                        f"`guard releases confirm {waiting.id}`",
                        Obstacle.CONFLICT,
                    )
            await write_requests(connection, requests, deed)

        return write

    async def waiting(self, key_id: KeyId, now: UnixMs) -> Release | None:
        """What waits to be done to a key."""
        return await self._releases.waiting(key_id, now)


async def put_under_dual_control(vault: Vault, scopes: frozenset[str], by: By, now: UnixMs) -> None:
    """From now on these scopes, and no others, need a second person: on every node, and without one."""
    if await vault.releases.scopes() != scopes:
        await vault.releases.set_scopes(scopes, by.deed("set_dual_control", now))


def under_dual_control(scopes: frozenset[str], by: By, now: UnixMs) -> Also:
    """The same, written with the policies that say so, or not at all."""
    return lambda connection: write_scopes(connection, scopes, by.deed("set_dual_control", now))
