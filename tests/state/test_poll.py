"""One statement tells of keys and halts as of one revision."""

import pytest

from guard.model.halts import HaltId, HaltKind
from guard.model.keys import KeyState
from guard.model.names import KeyId
from guard.state import poll
from guard.state.vault import Vault
from tests.build import halt
from tests.state.key_records import CANARY, CREATED, deed, record, suspended


async def _three(vault: Vault) -> None:
    """Revision 1: two keys. 2: a halt. 3: a key is suspended."""
    await vault.keys.insert([record("k1"), record("k2")], deed())
    await vault.halts.insert(halt(HaltKind.KEY, "k1", id=HaltId("h1")), deed("halt"))
    await vault.keys.change(KeyId("k2"), suspended, deed("suspend"))


@pytest.mark.parametrize(
    ("since", "keys", "halts"), [(0, {"k1", "k2"}, {"h1"}), (1, {"k2"}, {"h1"}), (2, {"k2"}, set()), (3, set(), set())]
)
async def test_a_poll_tells_of_the_keys_and_halts_that_changed_since(
    vault: Vault, since: int, keys: set[str], halts: set[str]
) -> None:
    await _three(vault)
    told = await vault.keys.poll(since)
    assert told.revision == 3
    assert {each.id for each in told.changed} == keys
    assert {each.id for each in told.halts} == halts


async def test_a_poll_of_an_empty_database_tells_revision_0(vault: Vault) -> None:
    told = await vault.keys.poll(0)
    assert (told.revision, told.changed, told.halts) == (0, (), ())


async def test_a_poll_tells_records_and_halts_whole(vault: Vault) -> None:
    await _three(vault)
    told = await vault.keys.poll(0)
    by_id = {each.id: each for each in told.changed}
    assert by_id[KeyId("k1")].material.reveal() == CANARY
    assert by_id[KeyId("k2")].state is KeyState.SUSPENDED
    [halted] = told.halts
    assert (halted.kind, halted.name, halted.why, halted.revision) == (HaltKind.KEY, "k1", "a secret reason", 2)


async def test_a_lifted_halt_is_told_as_lifted(vault: Vault) -> None:
    await _three(vault)
    await vault.halts.lift(lambda _: True, CREATED, deed("lift"))
    [lifted] = (await vault.keys.poll(3)).halts
    assert (lifted.id, lifted.lifted_at, lifted.revision) == ("h1", CREATED, 4)


@pytest.mark.parametrize("at_most", [1, 2])
async def test_more_changes_than_one_answer_holds_are_told_all_the_same(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, at_most: int
) -> None:
    await _three(vault)
    monkeypatch.setattr(poll, "CHANGES_MAX", at_most)
    told = await vault.keys.poll(0)
    assert (told.revision, len(told.changed), len(told.halts)) == (3, 2, 1)
