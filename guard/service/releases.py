"""The second person's line: what waits is confirmed or rejected, in one transaction with the change of keys.

Why two persons are needed is `dual_control.py`. Who asked cannot confirm, and neither can another hand of who asked: a
token that the asker made, who made the asker's, or one whose maker made both, all of them directly or through others.
Somebody has to make the first persons' tokens: that the holder of the very first token made both tells nothing.
Rejecting is open to all, the asker too.
"""

from collections.abc import Callable, Mapping

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from guard.core.lifecycle import KeyCommand
from guard.model.admins import Release, ReleaseState
from guard.model.audit import Deed
from guard.model.keys import KeyRecord, KeyState
from guard.model.names import KeyId, UnixMs
from guard.service.key_orders import KeyringError, Obstacle
from guard.service.key_steps import By, activated, commanded, refuse_rotation
from guard.state.database import Also
from guard.state.releases import write_verdict
from guard.state.vault import Vault


class Releases:
    """What waits for a second person, in one vault."""

    def __init__(self, vault: Vault, *, now: Callable[[], UnixMs]) -> None:
        self._vault = vault
        self._now = now

    async def all(self) -> tuple[Release, ...]:
        """Every release as of now, newest first."""
        now = self._now()
        found = await self._vault.releases.all()
        return tuple(msgspec.structs.replace(release, state=release.state_at(now)) for release in found)

    async def confirm(self, release_id: str, by: By) -> Release:
        """Do what was asked for. Raises KeyringError, and does nothing, if `by` is who asked or it waits no more."""
        now = self._now()
        release = await self._found(release_id, now)
        if release.state is not ReleaseState.PENDING:
            raise _settled(release)
        await self._refuse_same_hand(release, by)
        settled = _verdict(release, ReleaseState.CONFIRMED, by, now)
        if release.change is not None:
            await self._settle_policies(release, settled, by.deed("confirm", now))
            return settled
        ids = [release.key_id]
        record = await self._vault.keys.find(release.key_id)
        if record is not None and record.rotated_from is not None and release.command == "rotate":
            ids.append(record.rotated_from)

        deed = by.deed("confirm", now)
        await self._vault.keys.change_all(
            ids, lambda found: _released(found, release, now), deed, also=_writing(release, settled, deed)
        )
        return settled

    async def reject(self, release_id: str, by: By) -> Release:
        """Have it not done, also after it expired: a key that was never active is destroyed, a suspended one stays."""
        now = self._now()
        release = await self._found(release_id, now)
        if release.state not in (ReleaseState.PENDING, ReleaseState.EXPIRED):
            raise _settled(release)
        settled = _verdict(release, ReleaseState.REJECTED, by, now)
        deed = by.deed("reject", now)
        if release.change is not None:
            await self._settle_policies(release, settled, deed)
            return settled
        also = _writing(release, settled, deed)
        await self._vault.keys.change_all([release.key_id], _given_up, deed, also=also)
        return settled

    async def _settle_policies(self, release: Release, settled: Release, deed: Deed) -> None:
        """No key changes: the nodes that wait for this look for it."""
        await self._vault.keys.change_all([], lambda _: (), deed, also=_writing(release, settled, deed))

    async def _found(self, release_id: str, now: UnixMs) -> Release:
        release = await self._vault.releases.find(release_id)
        if release is None:
            raise KeyringError(
                f"there is no release {release_id}: `guard releases list` shows those that there are", Obstacle.UNKNOWN
            )
        return msgspec.structs.replace(release, state=release.state_at(now))

    async def _refuse_same_hand(self, release: Release, by: By) -> None:
        tokens, asker, second = self._vault.tokens, release.requested_by.lower(), by.actor.lower()
        if asker == second:  # knockout: release_needs_a_second_person
            raise KeyringError(
                f"{release.requested_by} asked for this, and somebody else must confirm it", Obstacle.FORBIDDEN
            )
        made_asker, made_second = await tokens.makers(asker), await tokens.makers(second)
        if asker in made_second:  # knockout: release_needs_another_hand
            raise _same_hand(f"the token {by.actor} was made by {release.requested_by}, who asked for this")
        if second in made_asker:  # knockout: release_needs_another_hand_than_the_makers
            raise _same_hand(f"the token {release.requested_by}, with which this was asked for, was made by {by.actor}")
        both = sorted(made_asker & made_second - {await tokens.first()})
        if both:  # knockout: release_needs_hands_of_two_makers
            raise _same_hand(f"the tokens {release.requested_by} and {by.actor} were both made by {both[0]}")


def _same_hand(why: str) -> KeyringError:
    return KeyringError(f"{why}: somebody else must confirm it", Obstacle.FORBIDDEN)


def _released(found: Mapping[KeyId, KeyRecord], release: Release, now: UnixMs) -> tuple[KeyRecord, ...]:
    record = found[release.key_id]
    if release.command == "resume":
        return (commanded(record, KeyCommand.RESUME),)
    if release.command == "rotate" and record.rotated_from is not None:
        old = found[record.rotated_from]
        refuse_rotation(old, now)
        return (
            msgspec.structs.replace(old, dies_at=UnixMs(now + (release.overlap_ms or 0))),
            activated(record),
        )
    return (activated(record),)


def _given_up(found: Mapping[KeyId, KeyRecord]) -> tuple[KeyRecord, ...]:
    return tuple(
        commanded(record, KeyCommand.DESTROY) for record in found.values() if record.state is KeyState.PRE_ACTIVATION
    )


def _verdict(release: Release, state: ReleaseState, by: By, now: UnixMs) -> Release:
    return msgspec.structs.replace(release, state=state, settled_by=by.actor, settled_at=now)


def _writing(release: Release, settled: Release, deed: Deed) -> Also:
    async def write(connection: AsyncConnection) -> None:
        if not await write_verdict(connection, release, settled, deed):
            raise KeyringError(f"release {settled.id} was settled by somebody else just now", Obstacle.CONFLICT)

    return write


def _settled(release: Release) -> KeyringError:
    by = f" by {release.settled_by}" if release.settled_by else ""
    return KeyringError(f"release {release.id} waits no more: it is {release.state}{by}", Obstacle.CONFLICT)
