"""The administrator's line: making, rotating and ending keys, each with an actor and a reason in the audit trail.

Values in, values out. Clock and randomness are handed in. Which transition is allowed is `core/lifecycle.py`; what is
asked for and cannot be done is a KeyringError, and then nothing was changed.
"""

from collections.abc import Callable, Sequence

import msgspec

from guard.core.lifecycle import KeyCommand
from guard.model.admins import Release
from guard.model.audit import AuditRecord, Subject
from guard.model.keys import Bounds, KeyAlgorithm, KeyRecord, KeyState, Secret
from guard.model.names import AccountId, KeyId, UnixMs
from guard.service.dual_control import DualControl
from guard.service.enforcement import Enforcement, Force
from guard.service.key_orders import KeyOrder, KeyringError, Obstacle, network, refuse_bad_order, secret_content
from guard.service.key_steps import By, activated, commanded, refuse_rotation, successor, unknown_key
from guard.signing.algorithms import api_key_hash
from guard.signing.key_material import public_key_from
from guard.signing.tokens import mint_key_id, mint_secret
from guard.state.key_rows import KeyView, view
from guard.state.key_table import AUDITED_AS
from guard.state.protocols import Tombstones
from guard.state.vault import Vault

__all__ = ("OVERLAP_MS", "By", "Issued", "Keyring")

OVERLAP_MS = 24 * 3600 * 1000
"""How long a rotated key goes on beside its successor, if nobody says otherwise."""

TOMBSTONE_MS = 3_600_000
SUSPENDED_MS = 2000
"""How long the shared store refuses a key that was ended, or suspended and may come back: longer than a node may follow
the revision late.
"""

_ID_RANDOM_BYTES, _SECRET_RANDOM_BYTES = 20, 32


class Issued(msgspec.Struct, frozen=True):
    """A new key. `secret` is told here and never again; None for a public key, and for one that was taken over."""

    key: KeyView
    secret: str | None

    def __repr__(self) -> str:
        return f"Issued({self.key.id!r})"


class Keyring:
    """Everything that can be done to keys, in one vault."""

    def __init__(
        self,
        vault: Vault,
        *,
        now: Callable[[], UnixMs],
        random: Callable[[int], bytes],
        enforcement: Enforcement,
        tombstones: Tombstones | None = None,
    ) -> None:
        self._keys = vault.keys
        self._trail = vault.trail
        self._dual = DualControl(vault.releases, random)
        self._pepper = vault.sealing.pepper
        self._now = now
        self._random = random
        self._enforcement = enforcement
        self._tombstones = tombstones

    async def create(self, order: KeyOrder, by: By) -> Issued:
        """Issue a key and activate it; where a scope is under dual control it waits for a second person instead."""
        if order.secret is not None:
            raise KeyringError(
                "a new key gets a new secret; to bring a secret along, use `guard keys import`", field="secret"
            )
        now = self._now()
        secret = self._new_secret(order.algorithm)
        record = self._record(order, secret, now)
        await self._issue([record], "create", by, now)
        return Issued(await self.show(record.id), secret)

    async def take_over(self, orders: Sequence[KeyOrder], by: By) -> tuple[KeyView, ...]:
        """Import keys that were made elsewhere: all of them, or none."""
        now = self._now()
        records = []
        for order in orders:
            if order.id is None:
                raise KeyringError(
                    "an imported key needs its id; to get a new one, use `guard keys create`", field="id"
                )
            records.append(self._record(order, order.secret, now))
        ids = [record.id for record in records]
        if len(set(ids)) < len(ids):
            twice = next(each for each in ids if ids.count(each) > 1)
            raise KeyringError(f"key {twice} stands there twice: import it once", field="id")
        return tuple(view(record) for record in await self._issue(records, "import", by, now))

    async def rotate(
        self, key_id: str, by: By, *, overlap_ms: int = OVERLAP_MS, public_key: str | None = None
    ) -> Issued:
        """Issue a successor with the same rights and limits; the old key dies on the millisecond that the overlap ends.

        The successor of a key that expires gets as long a cryptoperiod as the old one had. Where a scope is under dual
        control, the successor waits for a second person, and the old key goes on until then and for the overlap.
        """
        now = self._now()
        old = await self._found(key_id)
        secret = self._new_secret(old.algorithm)
        material = self._material(old.algorithm, secret, public_key)
        successor_id = self._new_id()

        fresh = successor(old, successor_id, material, now)
        asked = await self._dual.requests([fresh], "rotate", by, now, overlap_ms=overlap_ms)

        def step(record: KeyRecord) -> tuple[KeyRecord, ...]:
            refuse_rotation(record, now)
            if asked:
                return (fresh,)
            return (msgspec.structs.replace(record, dies_at=UnixMs(now + overlap_ms)), activated(fresh))

        deed = by.deed("rotate", now)
        await self._keys.change(old.id, step, deed, also=self._dual.writing(asked, deed))
        return Issued(await self.show(successor_id), secret)

    async def command(self, key_id: str, command: KeyCommand, by: By) -> KeyView:
        """Suspend, resume, deactivate, report compromised or destroy a key. Destroying wipes its material.

        It is committed when this returns; `in_force` tells when every node follows. Resuming a key with a scope under
        dual control leaves it suspended until a second person confirms.
        """
        now = self._now()
        if command is KeyCommand.ACTIVATE:  # knockout: nobody_activates_a_key_by_hand
            raise KeyringError("a key becomes active when it is made, or when a second person confirms it")
        asked: tuple[Release, ...] = ()
        if command is KeyCommand.RESUME:
            asked = await self._dual.requests([await self._found(key_id)], "resume", by, now)

        def step(record: KeyRecord) -> tuple[KeyRecord, ...]:
            after = commanded(record, command)
            return () if asked else (after,)

        deed = by.deed(command.value, now)
        changed = await self._keys.change(KeyId(key_id), step, deed, also=self._dual.writing(asked, deed))
        if changed is None:
            raise unknown_key(key_id)
        if not changed:
            return await self.show(key_id)
        await self._bury(changed[0])
        return view(changed[0])

    async def waiting(self, key_id: str) -> Release | None:
        """What waits for a second person to be done to a key."""
        return await self._dual.waiting(KeyId(key_id), self._now())

    async def in_force(self, revision: int) -> Force:
        """Whether every node follows what was committed as this revision. Answered within a second."""
        return await self._enforcement.of(revision)

    async def keys(self, account: str | None = None) -> tuple[KeyView, ...]:
        """Every key, or an account's: oldest first, without secrets."""
        _, records = await self._keys.records_since(-1)
        return tuple(view(record) for record in records if account in (None, record.account))

    async def show(self, key_id: str) -> KeyView:
        """One key, without its secret."""
        return view(await self._found(key_id))

    async def history(self, key_id: str) -> tuple[AuditRecord, ...]:
        """What was done to one key, oldest first."""
        return await self._trail.records(Subject(AUDITED_AS, (await self._found(key_id)).id))

    async def _bury(self, record: KeyRecord) -> None:
        """The fast road beside the revision."""
        if self._tombstones is not None and record.state is not KeyState.ACTIVE:
            lasts_ms = SUSPENDED_MS if record.state is KeyState.SUSPENDED else TOMBSTONE_MS
            await self._tombstones.bury(record.account, record.id, UnixMs(self._now() + lasts_ms))

    async def _found(self, key_id: str) -> KeyRecord:
        record = await self._keys.find(KeyId(key_id))
        if record is None:
            raise unknown_key(key_id)
        return record

    async def _issue(self, records: Sequence[KeyRecord], command: str, by: By, now: UnixMs) -> tuple[KeyRecord, ...]:
        """New keys, active but for those that wait for a second person: all of them, or none."""
        if not records:
            return ()
        asked = await self._dual.requests(records, command, by, now)
        waiting = {release.key_id for release in asked}
        issued = tuple(record if record.id in waiting else activated(record) for record in records)
        deed = by.deed(command, now)
        taken = await self._keys.insert(issued, deed, also=self._dual.writing(asked, deed))
        if taken:
            sentence = f"key {taken[0]} is there already: choose another id, or rotate the one that is there"
            raise KeyringError(sentence, Obstacle.CONFLICT, field="id")
        return issued

    def _record(self, order: KeyOrder, secret: str | None, now: UnixMs) -> KeyRecord:
        refuse_bad_order(order, now)
        key_id = KeyId(order.id or self._new_id())
        return KeyRecord(
            id=key_id,
            account=AccountId(order.account),
            algorithm=order.algorithm,
            material=self._material(order.algorithm, secret, order.public_key),
            state=KeyState.PRE_ACTIVATION,
            scopes=frozenset(order.scopes),
            tier=order.tier,
            networks=tuple(network(text) for text in order.networks),
            bounds=None if order.bounds is None else _sorted(order.bounds),
            lineage=key_id,
            created_at=now,
            expires_at=None if order.expires_at_ms is None else UnixMs(order.expires_at_ms),
            label=order.label,
        )

    def _new_id(self) -> KeyId:
        return KeyId(mint_key_id(self._random(_ID_RANDOM_BYTES)))

    def _new_secret(self, algorithm: KeyAlgorithm) -> str | None:
        return mint_secret(self._random(_SECRET_RANDOM_BYTES)) if algorithm.symmetric else None

    def _material(self, algorithm: KeyAlgorithm, secret: str | None, public_key: str | None) -> Secret:
        if not algorithm.symmetric:
            if secret is not None:
                raise KeyringError(f"{algorithm} keys have no secret: give the public key alone", field="secret")
            return Secret(_public_key(algorithm, public_key))
        if public_key is not None:
            raise KeyringError(
                f"{algorithm} keys have no public key: leave it out, or name another algorithm", field="public_key"
            )
        content = secret_content(algorithm, secret)
        if algorithm is KeyAlgorithm.API_KEY:
            content = self._pepper + api_key_hash(self._pepper, content)
        return Secret(content)


def _sorted(bounds: Bounds) -> Bounds:
    return Bounds.of(bounds.uses, bounds.only, honeytoken=bounds.honeytoken)


def _public_key(algorithm: KeyAlgorithm, text: str | None) -> bytes:
    if text is None:
        sentence = f"{algorithm} keys are made by their holder, who gives the public key: --public-key FILE"
        raise KeyringError(sentence, field="public_key")
    try:
        return public_key_from(text.encode(), algorithm)
    except ValueError as error:
        raise KeyringError(f"that is no public key for {algorithm}: {error}", field="public_key") from None
