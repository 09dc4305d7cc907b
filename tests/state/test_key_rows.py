from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from sqlalchemy import RowMapping

from guard.model.keys import Bounds, KeyAlgorithm, KeyRecord, KeyState, KeyUse, Secret
from guard.model.names import KeyId, UnixMs
from guard.state.key_rows import from_row, resealed, to_row, view, view_as_json
from guard.state.sealing import SealingError, SealingKey
from tests.state.key_records import CANARY, CREATED, record

SEALING = SealingKey(bytes(range(32)), Path("sealing.key"))


def full() -> KeyRecord:
    return record(
        state=KeyState.SUSPENDED,
        scopes=frozenset({"trade", "read"}),
        tier="gold",
        networks=("10.0.0.0/8",),
        bounds=Bounds.of([KeyUse.READS, KeyUse.CANCELS], {"symbol": ["ETH-USD", "BTC-USD"]}),
        rotated_from=KeyId("k0"),
        expires_at=UnixMs(CREATED + 1),
        dies_at=UnixMs(CREATED + 2),
        last_used_at=UnixMs(CREATED + 3),
        label="a label",
        revision=7,
    )


def read_back(original: KeyRecord, **changes: Any) -> KeyRecord:
    row = to_row(original, SEALING) | changes
    return from_row(cast("RowMapping", row), SEALING)


def fields(each: KeyRecord) -> dict[str, Any]:
    named = msgspec.structs.asdict(each)
    return named | {"material": named["material"].reveal()}


@pytest.mark.parametrize("original", [record(), full()], ids=["least", "most"])
def test_record_comes_back_as_it_was(original: KeyRecord) -> None:
    assert fields(read_back(original)) == fields(original)


def test_material_is_sealed_in_the_row() -> None:
    assert CANARY not in to_row(record(), SEALING)["sealed_material"]


def test_destroyed_material_is_not_there() -> None:
    destroyed = record(state=KeyState.DESTROYED, material=Secret(b""))
    assert to_row(destroyed, SEALING)["sealed_material"] is None
    assert read_back(destroyed).material.reveal() == b""


def test_api_key_is_kept_as_the_hash_alone_and_opened_with_the_pepper() -> None:
    original = record(algorithm=KeyAlgorithm.API_KEY, material=Secret(SEALING.pepper + b"h" * 32))
    sealed = to_row(original, SEALING)["sealed_material"]
    assert SEALING.open("k1", "key material/api-key", sealed) == b"h" * 32
    assert read_back(original).material.reveal() == SEALING.pepper + b"h" * 32


@pytest.mark.parametrize("swapped", [{"id": "k2"}, {"algorithm": "hmac-sha512"}])
def test_material_moved_to_another_key_or_algorithm_does_not_open(swapped: dict[str, str]) -> None:
    with pytest.raises(SealingError):
        read_back(record(), **swapped)


def test_view_shows_everything_but_the_material() -> None:
    assert msgspec.json.decode(msgspec.json.encode(view_as_json(full()))) == {
        "id": "k1",
        "account": "acme",
        "scopes": ["read", "trade"],
        "algorithm": "hmac-sha256",
        "state": "suspended",
        "tier": "gold",
        "networks": ["10.0.0.0/8"],
        "bounds": {"uses": ["cancels", "reads"], "only": {"symbol": ["BTC-USD", "ETH-USD"]}, "honeytoken": False},
        "label": "a label",
        "lineage": "k1",
        "rotated_from": "k0",
        "created_at_ms": CREATED,
        "expires_at_ms": CREATED + 1,
        "dies_at_ms": CREATED + 2,
        "last_used_at_ms": CREATED + 3,
        "revision": 7,
    }
    assert "material" not in view(full()).__struct_fields__


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.HMAC_SHA256, KeyAlgorithm.API_KEY])
def test_material_that_was_sealed_anew_is_the_same(algorithm: KeyAlgorithm, tmp_path: Path) -> None:
    sealing = SealingKey.create(tmp_path / "sealing.key")
    material = sealing.pepper + b"h" * 32 if algorithm is KeyAlgorithm.API_KEY else CANARY
    row = cast("RowMapping", to_row(record(algorithm=algorithm, material=Secret(material)), sealing))
    old = sealing.ids[0]
    moved = {**row, "sealed_material": resealed(row, sealing, sealing.add())}
    sealing.drop((old,))
    assert from_row(cast("RowMapping", moved), sealing).material.reveal() == material
