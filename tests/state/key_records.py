"""Key records for the tests of what is kept."""

from typing import Any

import msgspec

from guard.model.audit import Deed
from guard.model.keys import KeyAlgorithm, KeyRecord, KeyState, Secret
from guard.model.names import AccountId, KeyId, UnixMs

CANARY = b"gs_canary-that-must-not-be-seen"
CREATED = UnixMs(1_800_000_000_000)


def record(key_id: str = "k1", **changes: Any) -> KeyRecord:
    """An active HMAC key whose secret is the canary."""
    fields: dict[str, Any] = {
        "account": AccountId("acme"),
        "algorithm": KeyAlgorithm.HMAC_SHA256,
        "material": Secret(CANARY),
        "lineage": KeyId(key_id),
        "created_at": CREATED,
    }
    return KeyRecord(id=KeyId(key_id), **{**fields, **changes})


def deed(command: str = "create", why: str = "") -> Deed:
    return Deed(command=command, actor="alice", why=why, at=CREATED)


def suspended(key: KeyRecord) -> tuple[KeyRecord, ...]:
    return (msgspec.structs.replace(key, state=KeyState.SUSPENDED),)
