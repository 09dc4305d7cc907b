"""What each command makes of a key record: pure, with the clock and the material handed in.

Which transition is allowed is `core/lifecycle.py`; who may ask for it is not known here.
"""

import msgspec

from guard.core.lifecycle import TRANSITIONS, KeyCommand, Refused, next_state
from guard.model.audit import Deed
from guard.model.keys import KeyRecord, KeyState, Secret
from guard.model.names import KeyId, UnixMs
from guard.service.key_orders import KeyringError, Obstacle


class By(msgspec.Struct, frozen=True):
    """Who asks, why, and from where: an address, or `cli` and a host. For the audit trail."""

    actor: str
    why: str = ""
    origin: str = ""

    def deed(self, command: str, now: UnixMs) -> Deed:
        """What the audit trail says of a change of keys."""
        return Deed(command=command, actor=self.actor, why=self.why, at=now, origin=self.origin)


def activated(record: KeyRecord) -> KeyRecord:
    """The key in use. Raises KeyringError if no way leads there."""
    return commanded(record, KeyCommand.ACTIVATE)


def commanded(record: KeyRecord, command: KeyCommand) -> KeyRecord:
    """The key after the command; destroying wipes its material. Raises KeyringError if it cannot be."""
    state = next_state(record.state, command)
    if isinstance(state, Refused):
        possible = ", ".join(_WORDS[each] for each in TRANSITIONS[record.state]) or "nothing"
        raise KeyringError(
            f"key {record.id} is {record.state} and cannot be {_DONE[command]}: what can be done: {possible}",
            Obstacle.CONFLICT,
        )
    material = Secret(b"") if state is KeyState.DESTROYED else record.material
    return msgspec.structs.replace(record, state=state, material=material)


def refuse_rotation(record: KeyRecord, now: UnixMs) -> None:
    """Raises KeyringError unless the key may have a successor."""
    if record.state is not KeyState.ACTIVE:
        raise KeyringError(
            f"key {record.id} is {record.state}, and only an active key can be rotated: create a new one",
            Obstacle.CONFLICT,
        )
    if record.dies_at is not None:
        raise KeyringError(
            f"key {record.id} was rotated already: rotate its successor (`guard keys list`)", Obstacle.CONFLICT
        )
    if record.expires_at is not None and record.expires_at <= now:
        raise KeyringError(
            f"key {record.id} has expired, and only a living key can be rotated: create a new one", Obstacle.CONFLICT
        )


def successor(record: KeyRecord, key_id: KeyId, material: Secret, now: UnixMs) -> KeyRecord:
    """A new key with the same rights and limits, not active yet, and with as long a cryptoperiod."""
    expires_at = None if record.expires_at is None else UnixMs(now + record.expires_at - record.created_at)
    return msgspec.structs.replace(
        record,
        id=key_id,
        material=material,
        state=KeyState.PRE_ACTIVATION,
        rotated_from=record.id,
        created_at=now,
        expires_at=expires_at,
        last_used_at=None,
    )


def unknown_key(key_id: str) -> KeyringError:
    """Nobody made this key."""
    return KeyringError(f"there is no key {key_id}: `guard keys list` shows those that there are", Obstacle.UNKNOWN)


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
