"""The administrator's line: making, rotating and ending keys, each with an actor and a reason in the audit trail.

Values in, values out. Clock and randomness are handed in. Which transition is allowed is `core/lifecycle.py`; what is
asked for and cannot be done is a KeyringError, and then nothing was changed.
"""

from collections.abc import Callable, Sequence

import msgspec

from guard.core.lifecycle import TRANSITIONS, KeyCommand, Refused, next_state
from guard.model.audit import AuditRecord, Deed, Subject
from guard.model.keys import KeyAlgorithm, KeyRecord, KeyState, Secret
from guard.model.names import AccountId, KeyId, UnixMs
from guard.service.key_orders import KeyOrder, KeyringError, network, refuse_bad_order, secret_content
from guard.signing.algorithms import api_key_hash
from guard.signing.key_material import public_key_from
from guard.signing.tokens import mint_key_id, mint_secret
from guard.state.key_rows import KeyView, view
from guard.state.key_table import AUDITED_AS
from guard.state.vault import Vault

OVERLAP_MS = 24 * 3600 * 1000
"""How long a rotated key goes on beside its successor, if nobody says otherwise."""

_ID_RANDOM_BYTES, _SECRET_RANDOM_BYTES = 20, 32


class By(msgspec.Struct, frozen=True):
    """Who asks, why, and from where: an address, or `cli` and a host. For the audit trail."""

    actor: str
    why: str = ""
    origin: str = ""


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
    ) -> None:
        self._keys = vault.keys
        self._trail = vault.trail
        self._pepper = vault.sealing.pepper
        self._now = now
        self._random = random

    async def create(self, order: KeyOrder, by: By) -> Issued:
        """Issue a key and activate it."""
        if order.secret is not None:
            raise KeyringError("a new key gets a new secret; to bring a secret along, use `guard keys import`")
        now = self._now()
        secret = self._new_secret(order.algorithm)
        record = _active(self._record(order, secret, now))
        await self._insert([record], _deed("create", by, now))
        return Issued(await self.show(record.id), secret)

    async def take_over(self, orders: Sequence[KeyOrder], by: By) -> tuple[KeyView, ...]:
        """Import keys that were made elsewhere: all of them, or none."""
        now = self._now()
        records = []
        for order in orders:
            if order.id is None:
                raise KeyringError("an imported key needs its id; to get a new one, use `guard keys create`")
            records.append(_active(self._record(order, order.secret, now)))
        ids = [record.id for record in records]
        if len(set(ids)) < len(ids):
            twice = next(each for each in ids if ids.count(each) > 1)
            raise KeyringError(f"key {twice} stands there twice: import it once")
        if records:
            await self._insert(records, _deed("import", by, now))
        return tuple(view(record) for record in records)

    async def rotate(
        self, key_id: str, by: By, *, overlap_ms: int = OVERLAP_MS, public_key: str | None = None
    ) -> Issued:
        """Issue a successor with the same rights and limits; the old key dies on the millisecond that the overlap ends.

        The successor of a key that expires gets as long a cryptoperiod as the old one had.
        """
        now = self._now()
        old = await self._found(key_id)
        secret = self._new_secret(old.algorithm)
        material = self._material(old.algorithm, secret, public_key)
        successor_id = self._new_id()

        def step(record: KeyRecord) -> tuple[KeyRecord, ...]:
            _refuse_rotation(record, now)
            return (
                msgspec.structs.replace(record, dies_at=UnixMs(now + overlap_ms)),
                _successor(record, successor_id, material, now),
            )

        await self._keys.change(old.id, step, _deed("rotate", by, now))
        return Issued(await self.show(successor_id), secret)

    async def command(self, key_id: str, command: KeyCommand, by: By) -> KeyView:
        """Suspend, resume, deactivate, report compromised or destroy a key. Destroying wipes its material."""

        def step(record: KeyRecord) -> tuple[KeyRecord, ...]:
            return (_commanded(record, command),)

        changed = await self._keys.change(KeyId(key_id), step, _deed(command.value, by, self._now()))
        if changed is None:
            raise _unknown(key_id)
        return view(changed[0])

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

    async def _found(self, key_id: str) -> KeyRecord:
        record = await self._keys.find(KeyId(key_id))
        if record is None:
            raise _unknown(key_id)
        return record

    async def _insert(self, records: Sequence[KeyRecord], deed: Deed) -> None:
        taken = await self._keys.insert(records, deed)
        if taken:
            raise KeyringError(f"key {taken[0]} is there already: choose another id, or rotate the one that is there")

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
                raise KeyringError(f"{algorithm} keys have no secret: give the public key alone")
            return Secret(_public_key(algorithm, public_key))
        if public_key is not None:
            raise KeyringError(f"{algorithm} keys have no public key: leave it out, or name another algorithm")
        content = secret_content(algorithm, secret)
        if algorithm is KeyAlgorithm.API_KEY:
            content = self._pepper + api_key_hash(self._pepper, content)
        return Secret(content)


def _deed(command: str, by: By, now: UnixMs) -> Deed:
    return Deed(command=command, actor=by.actor, why=by.why, at=now, origin=by.origin)


def _active(record: KeyRecord) -> KeyRecord:
    return _commanded(record, KeyCommand.ACTIVATE)


def _commanded(record: KeyRecord, command: KeyCommand) -> KeyRecord:
    state = next_state(record.state, command)
    if isinstance(state, Refused):
        possible = ", ".join(_WORDS[each] for each in TRANSITIONS[record.state]) or "nothing"
        raise KeyringError(
            f"key {record.id} is {record.state} and cannot be {_DONE[command]}: what can be done: {possible}"
        )
    material = Secret(b"") if state is KeyState.DESTROYED else record.material
    return msgspec.structs.replace(record, state=state, material=material)


def _refuse_rotation(record: KeyRecord, now: UnixMs) -> None:
    if record.state is not KeyState.ACTIVE:
        raise KeyringError(
            f"key {record.id} is {record.state}, and only an active key can be rotated: create a new one"
        )
    if record.dies_at is not None:
        raise KeyringError(f"key {record.id} was rotated already: rotate its successor (`guard keys list`)")
    if record.expires_at is not None and record.expires_at <= now:
        raise KeyringError(f"key {record.id} has expired, and only a living key can be rotated: create a new one")


def _successor(record: KeyRecord, key_id: KeyId, material: Secret, now: UnixMs) -> KeyRecord:
    expires_at = None if record.expires_at is None else UnixMs(now + record.expires_at - record.created_at)
    issued = msgspec.structs.replace(
        record,
        id=key_id,
        material=material,
        state=KeyState.PRE_ACTIVATION,
        rotated_from=record.id,
        created_at=now,
        expires_at=expires_at,
        last_used_at=None,
    )
    return _active(issued)


def _public_key(algorithm: KeyAlgorithm, text: str | None) -> bytes:
    if text is None:
        raise KeyringError(f"{algorithm} keys are made by their holder, who gives the public key: --public-key FILE")
    try:
        return public_key_from(text.encode(), algorithm)
    except ValueError as error:
        raise KeyringError(f"that is no public key for {algorithm}: {error}") from None


def _unknown(key_id: str) -> KeyringError:
    return KeyringError(f"there is no key {key_id}: `guard keys list` shows those that there are")


_WORDS = {
    KeyCommand.ACTIVATE: "activate",
    KeyCommand.SUSPEND: "suspend",
    KeyCommand.RESUME: "resume",
    KeyCommand.DEACTIVATE: "revoke",
    KeyCommand.REPORT_COMPROMISED: "compromise",
    KeyCommand.DESTROY: "destroy",
}
_DONE = {
    KeyCommand.ACTIVATE: "activated",
    KeyCommand.SUSPEND: "suspended",
    KeyCommand.RESUME: "resumed",
    KeyCommand.DEACTIVATE: "revoked",
    KeyCommand.REPORT_COMPROMISED: "reported compromised",
    KeyCommand.DESTROY: "destroyed",
}
