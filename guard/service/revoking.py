"""Ending many keys at once: those of an account, those that are too old, those that are used from one network.

All of them or none, in one transaction under one revision, with an audit record for each key. Values in, values out, as
`service/keyring.py`.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Sequence

import msgspec

from guard.core.lifecycle import TRANSITIONS, KeyCommand
from guard.model.audit import Deed
from guard.model.keys import KeyRecord, KeyState
from guard.model.names import UnixMs
from guard.service.key_orders import KeyringError, network, refuse_without_why
from guard.service.keyring import TOMBSTONE_MS, By
from guard.state.key_rows import KeyView, view
from guard.state.protocols import Tombstones
from guard.state.vault import Vault


class Choice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which keys: all that is given must be true of a key.

    `older_than_ms` is the age of the key itself; a successor by rotation is as young as its rotation. `network` is
    CIDR: every network that the key is bound to lies within it, so that a key good from anywhere is never meant.
    `scopes` are those of which the key has one at least. `idle_ms` is how long it was not used; a key
    that is bound to networks is never meant, since whoever finds it can do little with it.
    """

    account: str | None = None
    older_than_ms: int | None = None
    idle_ms: int | None = None
    network: str | None = None
    scopes: tuple[str, ...] = ()


class Revoking:
    """Bulk revocation in one vault. `tombstones` are those of the shared store, if there is one."""

    def __init__(self, vault: Vault, *, now: Callable[[], UnixMs], tombstones: Tombstones | None = None) -> None:
        self._keys = vault.keys
        self._now = now
        self._tombstones = tombstones

    async def chosen(self, choice: Choice) -> tuple[KeyView, ...]:
        """What `revoke` would revoke now, oldest first. No key at all is a KeyringError, here and there."""
        means = _meaning(choice, self._now())
        return _some([record for record in await self._keys.bare_records() if means(record)])

    async def revoke(self, choice: Choice, by: By) -> tuple[KeyView, ...]:
        """Revoke every key that is chosen when this commits, which may be more than `chosen` had shown.

        It is committed when this returns; all have one revision, for `Keyring.in_force`.
        """
        refuse_without_why(by.why)
        now = self._now()
        deed = Deed(command=KeyCommand.DEACTIVATE.value, actor=by.actor, why=by.why, at=now, origin=by.origin)
        ended = await self._keys.move_all(_meaning(choice, now), KeyState.DEACTIVATED, deed)
        tombstones, until = self._tombstones, UnixMs(self._now() + TOMBSTONE_MS)
        if tombstones is not None:
            await asyncio.gather(*(tombstones.bury(record.account, record.id, until) for record in ended))
        return _some(ended)

    async def end_idle(self, idle_ms: int, by: By) -> tuple[KeyView, ...]:
        """Revoke every key that is idle, if there is any: what a gateway does of itself.

        Where no key at all was used lately it is the clock that is doubted: nothing is done, and KeyringError raised.
        """
        records, now = await self._keys.bare_records(), self._now()
        if not any(_meaning(Choice(idle_ms=idle_ms), now)(record) for record in records):
            return ()
        if all(_last_sign_of_life(record) < now - idle_ms // 2 for record in records):  # knockout: clock_is_believed
            raise KeyringError("no key was used for half of that time: is the clock right? no idle key is ended")
        return await self.revoke(Choice(idle_ms=idle_ms), by)


def _some(records: Sequence[KeyRecord]) -> tuple[KeyView, ...]:
    if not records:
        raise KeyringError("no key that could be revoked is chosen: `guard keys list` shows those that there are")
    return tuple(map(view, records))


def _meaning(choice: Choice, now: UnixMs) -> Callable[[KeyRecord], bool]:
    """Whether a key is chosen. A key that is ended already never is. Raises KeyringError if the choice is none."""
    if (choice.account, choice.older_than_ms, choice.idle_ms, choice.network) == (None, None, None, None):
        raise KeyringError("say which keys: by account, age, idle time or network")
    within = None if choice.network is None else ipaddress.ip_network(network(choice.network, field="network"))
    before = None if choice.older_than_ms is None else now - choice.older_than_ms
    unused_since = None if choice.idle_ms is None else now - choice.idle_ms
    scopes = frozenset(choice.scopes)

    def means(record: KeyRecord) -> bool:
        return (
            KeyCommand.DEACTIVATE in TRANSITIONS[record.state]
            and choice.account in (None, record.account)
            and (before is None or record.created_at < before)
            and (unused_since is None or _was_idle_since(record, unused_since))
            and (within is None or _lies_within(record.networks, within))
            and (not scopes or not scopes.isdisjoint(record.scopes))
        )

    return means


def _was_idle_since(record: KeyRecord, since: int) -> bool:
    return not record.networks and _last_sign_of_life(record) < since


def _last_sign_of_life(record: KeyRecord) -> int:
    return max(record.created_at, record.last_used_at or 0)


def _lies_within(networks: tuple[str, ...], whole: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    parts = [ipaddress.ip_network(each) for each in networks]
    return bool(parts) and all(part.version == whole.version and part.subnet_of(whole) for part in parts)  # type: ignore[arg-type]  # the versions are one
