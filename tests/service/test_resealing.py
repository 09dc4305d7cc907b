import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guard.model.audit import Deed
from guard.model.keys import KeyAlgorithm, KeyRecord, Secret
from guard.model.names import AccountId, KeyId, UnixMs
from guard.service.keyring import By
from guard.service.resealing import Resealed, Resealing
from guard.signing.algorithms import api_key_hash, verifies
from guard.signing.scheme import SignatureAlgorithm
from guard.state.faults import StateError
from guard.state.sealing import SealingKey
from guard.state.vault import Vault

PROJECT = Path(__file__).parent.parent.parent
NOW = UnixMs(1_800_000_000_000)
ALICE = By("alice", "yearly", "cli desk")
CREATE = Deed(command="create", actor="alice", why="", at=NOW)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/guard.db"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sealing.key"


@pytest.fixture
async def vault(url: str, path: Path) -> AsyncIterator[Vault]:
    opened = await Vault.open(url, SealingKey.create(path))
    yield opened
    await opened.close()


def record(key_id: str, material: bytes, algorithm: KeyAlgorithm = KeyAlgorithm.HMAC_SHA256) -> KeyRecord:
    return KeyRecord(
        id=KeyId(key_id),
        account=AccountId("acme"),
        algorithm=algorithm,
        material=Secret(material),
        lineage=KeyId(key_id),
        created_at=NOW,
    )


async def filled(vault: Vault, count: int) -> None:
    records = [record(f"k{number:05}", b"s%d" % number) for number in range(count)]
    await vault.keys.insert(records, CREATE)


def resealing(vault: Vault) -> Resealing:
    return Resealing(vault, now=lambda: NOW)


async def secrets_of(vault: Vault) -> list[bytes]:
    _, records = await vault.keys.records_since(-1)
    return [each.material.reveal() for each in sorted(records, key=lambda each: each.id)]


async def test_all_secrets_are_sealed_anew_with_progress_and_told_in_the_trail_by_count(vault: Vault) -> None:
    await filled(vault, 1100)
    seen: list[int] = []
    done = await resealing(vault).reseal(ALICE, seen.append)
    assert done == Resealed(1100, vault.sealing.ids[0])
    assert seen == [500, 1000, 1100]
    begun, ended = (await vault.trail.records())[-2:]
    assert (begun.command, ended.command, ended.after) == ("reseal", "resealed", {"secrets": 1100})
    assert (ended.actor, ended.why, ended.origin, ended.subject.id) == ("alice", "yearly", "cli desk", done.sealing_id)
    assert await secrets_of(vault) == [f"s{number}".encode() for number in range(1100)]


async def test_bare_keys_open_the_same_doors_after_all_steps(vault: Vault, url: str, path: Path) -> None:
    pepper = vault.sealing.pepper
    await vault.keys.insert([record("k1", pepper + api_key_hash(pepper, b"gs_x"), KeyAlgorithm.API_KEY)], CREATE)
    added = await resealing(vault).add(ALICE)
    assert (await resealing(vault).reseal(ALICE, lambda _: None)).sealing_id == added
    assert len(await resealing(vault).retire(ALICE)) == 1
    fresh = await Vault.open(url, SealingKey.load(path))
    found = await fresh.keys.find(KeyId("k1"))
    await fresh.close()
    assert found is not None
    assert verifies(SignatureAlgorithm.API_KEY, found.material.reveal(), b"", b"gs_x")
    assert not verifies(SignatureAlgorithm.API_KEY, found.material.reveal(), b"", b"gs_y")


async def test_what_was_interrupted_goes_on_where_it_stopped(vault: Vault) -> None:
    await filled(vault, 1100)

    def stop(count: int) -> None:
        if count == 1000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await resealing(vault).reseal(ALICE, stop)
    with pytest.raises(StateError, match="100 secrets are still sealed under an old key"):
        await resealing(vault).retire(ALICE)
    assert await resealing(vault).reseal(ALICE, lambda _: None) == Resealed(100, vault.sealing.ids[0])
    assert len(vault.sealing.ids) == 2
    assert await secrets_of(vault) == [f"s{number}".encode() for number in range(1100)]


RESEALER = """
import asyncio, sys
from pathlib import Path
from guard.service.keyring import By
from guard.service.resealing import Resealing
from guard.state.sealing import SealingKey
from guard.state.vault import Vault

async def main(url, path):
    vault = await Vault.open(url, SealingKey.load(Path(path)))
    await Resealing(vault, now=lambda: 1).reseal(By("child"), lambda count: print(count, flush=True))
    await vault.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.system
async def test_kill_9_in_the_middle_loses_no_secret(vault: Vault, url: str, path: Path) -> None:
    await filled(vault, 4000)
    for batches in (1, 3):
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", RESEALER, url, str(path)),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
        assert child.stdout is not None
        for _ in range(batches):
            await child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        await child.communicate()
        assert await secrets_of(vault) == [f"s{number}".encode() for number in range(4000)]
    done = await resealing(vault).reseal(ALICE, lambda _: None)
    await resealing(vault).retire(ALICE)
    assert await vault.seals.counts() == {done.sealing_id: 4000}
    fresh = await Vault.open(url, SealingKey.load(path))
    assert await secrets_of(fresh) == [f"s{number}".encode() for number in range(4000)]
    await fresh.close()
