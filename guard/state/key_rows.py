"""A key record as a row of the database and back, and what may be shown of it. Material is sealed and opened here.

A node holds every record, so what many of them have in common is one object.
"""

import sys
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import RowMapping

from guard.model.keys import Bounds, KeyAlgorithm, KeyRecord, KeyState, Secret
from guard.model.names import AccountId, KeyId, UnixMs
from guard.signing.algorithms import PEPPER_BYTES
from guard.state.sealing import SealingKey


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its material: what lists, exports and the audit trail hold. Times are Unix milliseconds."""

    id: str
    account: str
    scopes: tuple[str, ...]
    algorithm: str
    state: str
    tier: str | None
    networks: tuple[str, ...]
    bounds: Bounds | None = None
    label: str
    lineage: str
    rotated_from: str | None
    created_at_ms: int
    expires_at_ms: int | None
    dies_at_ms: int | None
    last_used_at_ms: int | None
    revision: int


def view(record: KeyRecord) -> KeyView:
    """What may be shown of the record, to anyone who may see keys at all."""
    return KeyView(
        id=record.id,
        account=record.account,
        scopes=tuple(sorted(record.scopes)),
        algorithm=record.algorithm.value,
        state=record.state.value,
        tier=record.tier,
        networks=record.networks,
        bounds=record.bounds,
        label=record.label,
        lineage=record.lineage,
        rotated_from=record.rotated_from,
        created_at_ms=record.created_at,
        expires_at_ms=record.expires_at,
        dies_at_ms=record.dies_at,
        last_used_at_ms=record.last_used_at,
        revision=record.revision,
    )


def view_as_json(record: KeyRecord) -> dict[str, Any]:
    """The view as JSON values."""
    told: dict[str, Any] = msgspec.to_builtins(view(record))
    return told


def to_row(record: KeyRecord, sealing: SealingKey, under: str | None = None) -> dict[str, Any]:
    """Every column of the record, its material sealed under that key. Destroyed material is NULL."""
    return {
        "id": record.id,
        "account": record.account,
        "algorithm": record.algorithm.value,
        "state": record.state.value,
        "scopes": msgspec.json.encode(sorted(record.scopes)).decode(),
        "tier": record.tier,
        "networks": msgspec.json.encode(record.networks).decode(),
        "bounds": None if record.bounds is None else msgspec.json.encode(record.bounds).decode(),
        "lineage": record.lineage,
        "rotated_from": record.rotated_from,
        "created_at": record.created_at,
        "expires_at": record.expires_at,
        "dies_at": record.dies_at,
        "last_used_at": record.last_used_at,
        "label": record.label,
        "revision": record.revision,
        "sealed_material": _sealed(record, sealing, under),
    }


def from_row(row: RowMapping, sealing: SealingKey) -> KeyRecord:
    """The record, its material opened. Raises SealingError if it cannot be."""
    return _record(row, _opened(row["id"], KeyAlgorithm(row["algorithm"]), row["sealed_material"], sealing))


def bare(row: RowMapping) -> KeyRecord:
    """The record without its material: enough to look at, and never to be written as a whole."""
    return _record(row, Secret(b""))


def resealed(row: RowMapping, sealing: SealingKey, under: str) -> bytes:
    """The same material sealed under another key. Raises SealingError if it cannot be opened."""
    purpose = _purpose(KeyAlgorithm(row["algorithm"]))
    material = sealing.open(row["id"], purpose, row["sealed_material"])
    return sealing.seal(row["id"], purpose, material, under)


def _record(row: RowMapping, material: Secret) -> KeyRecord:
    key_id, lineage = row["id"], row["lineage"]
    return KeyRecord(
        id=KeyId(key_id),
        account=AccountId(sys.intern(row["account"])),
        algorithm=KeyAlgorithm(row["algorithm"]),
        material=material,
        state=KeyState(row["state"]),
        scopes=_scopes(row["scopes"]),
        tier=row["tier"],
        networks=_networks(row["networks"]),
        bounds=bounds_in(row["bounds"]),
        lineage=KeyId(key_id if lineage == key_id else lineage),
        rotated_from=None if row["rotated_from"] is None else KeyId(row["rotated_from"]),
        created_at=UnixMs(row["created_at"]),
        expires_at=row["expires_at"],
        dies_at=row["dies_at"],
        last_used_at=row["last_used_at"],
        label=row["label"],
        revision=row["revision"],
    )


@lru_cache(maxsize=1024)
def _scopes(text: str) -> frozenset[str]:
    return frozenset(msgspec.json.decode(text, type=list[str]))


@lru_cache(maxsize=1024)
def bounds_in(text: str | None) -> Bounds | None:
    """What a row says that its key is kept to."""
    return None if text is None else msgspec.json.decode(text, type=Bounds)


@lru_cache(maxsize=1024)
def _networks(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])


def _sealed(record: KeyRecord, sealing: SealingKey, under: str | None) -> bytes | None:
    material = record.material.reveal()
    if record.algorithm is KeyAlgorithm.API_KEY:
        material = material[PEPPER_BYTES:]  # the pepper is in the sealing key's file, and kept nowhere else
    return sealing.seal(record.id, _purpose(record.algorithm), material, under) if material else None


def _opened(key_id: str, algorithm: KeyAlgorithm, sealed: bytes | None, sealing: SealingKey) -> Secret:
    if sealed is None:
        return Secret(b"")
    material = sealing.open(key_id, _purpose(algorithm), sealed)
    return Secret(sealing.pepper + material if algorithm is KeyAlgorithm.API_KEY else material)


def _purpose(algorithm: KeyAlgorithm) -> str:
    return f"key material/{algorithm.value}"
