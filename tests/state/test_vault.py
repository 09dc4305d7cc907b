import shutil
from pathlib import Path

import pytest

from guard.model.keys import KeyAlgorithm
from guard.model.names import KeyId
from guard.state.sealing import SealingError, SealingKey
from guard.state.vault import Vault
from tests.state.key_records import CANARY, deed, record, suspended


async def test_no_secret_is_in_any_file_of_the_database_nor_in_the_audit(
    sqlite_url: str, sealing: SealingKey, tmp_path: Path
) -> None:
    vault = await Vault.open(sqlite_url, sealing)
    await vault.keys.insert([record("k1"), record("k2", algorithm=KeyAlgorithm.HMAC_SHA512)], deed())
    await vault.keys.change(KeyId("k1"), suspended, deed("suspend"))
    assert CANARY.decode() not in repr((await vault.trail.records(), await vault.keys.records_since(0)))
    names = set()
    for path in (tmp_path / "home").iterdir():
        names.add(path.name)
        assert CANARY not in path.read_bytes(), path
    assert {"guard.db", "guard.db-wal"} <= names
    await vault.close()
    assert CANARY not in (tmp_path / "home" / "guard.db").read_bytes()


async def test_key_survives_closing_and_opening(url: str, sealing: SealingKey) -> None:
    first = await Vault.open(url, sealing)
    await first.keys.insert([record("k1")], deed())
    await first.close()
    second = await Vault.open(url, sealing)
    found = await second.keys.find(KeyId("k1"))
    await second.close()
    assert found is not None
    assert found.material.reveal() == CANARY


async def test_wrong_sealing_key_is_found_when_the_database_is_opened(vault: Vault, url: str, tmp_path: Path) -> None:
    await vault.keys.insert([record("k1")], deed())
    other = SealingKey.create(tmp_path / "other.key")
    with pytest.raises(SealingError, match=r"sealed under another sealing key than .*other\.key"):
        await Vault.open(url, other)


async def test_older_copy_put_in_place_has_the_older_revision(
    sqlite_url: str, sealing: SealingKey, tmp_path: Path
) -> None:
    first = await Vault.open(sqlite_url, sealing)
    await first.keys.insert([record("k1")], deed())
    await first.close()
    path = tmp_path / "home" / "guard.db"
    shutil.copy(path, tmp_path / "old.db")
    second = await Vault.open(sqlite_url, sealing)
    await second.keys.insert([record("k2")], deed())
    assert await second.keys.head() == 2
    await second.close()
    shutil.copy(tmp_path / "old.db", path)
    third = await Vault.open(sqlite_url, sealing)
    assert await third.keys.head() == 1
    await third.close()
