from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from guard.model.keys import KeyState
from guard.model.names import AccountId, KeyId, UnixMs
from guard.service.key_orders import KeyringError
from guard.service.keyring import TOMBSTONE_MS, By
from guard.service.revoking import Choice, Revoking
from guard.state.protocols import Tombstones
from guard.state.sealing import SealingKey
from guard.state.vault import Vault
from tests.state.key_records import CREATED, deed, record

DAY_MS = 86_400_000
NOW = UnixMs(CREATED + 100 * DAY_MS)
ALICE = By("alice", "leak", "cli host")


class Buried(Tombstones):
    def __init__(self) -> None:
        self.told: list[tuple[str, str, int]] = []

    async def bury(self, account: AccountId, key_id: KeyId, until: UnixMs) -> bool:
        self.told.append((account, key_id, until))
        return True


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    opened = await Vault.open(f"sqlite:///{tmp_path}/guard.db", SealingKey(bytes(32), Path("sealing.key")))
    kinds: dict[str, dict[str, Any]] = {
        "old": {},
        "young": {"created_at": NOW},
        "used": {"last_used_at": UnixMs(NOW - 10 * DAY_MS)},
        "other": {"account": AccountId("other")},
        "office": {"networks": ("203.0.113.0/25", "203.0.113.200/32")},
        "office-and-home": {"networks": ("203.0.113.0/25", "198.51.100.1/32")},
        "six": {"networks": ("2001:db8::/64",)},
        "withdrawing": {"scopes": frozenset({"read", "withdraw"})},
        "suspended": {"state": KeyState.SUSPENDED},
        "ended": {"state": KeyState.DEACTIVATED},
        "leaked": {"state": KeyState.COMPROMISED},
        "gone": {"state": KeyState.DESTROYED},
    }
    await opened.keys.insert([record(name, **changes) for name, changes in kinds.items()], deed())
    yield opened
    await opened.close()


@pytest.fixture
def buried() -> Buried:
    return Buried()


@pytest.fixture
def revoking(vault: Vault, buried: Buried) -> Revoking:
    return Revoking(vault, now=lambda: NOW, tombstones=buried)


_LIVING = {"old", "young", "used", "other", "office", "office-and-home", "six", "withdrawing", "suspended"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(account="acme"), _LIVING - {"other"}),
        (Choice(older_than_ms=90 * DAY_MS), _LIVING - {"young"}),
        (Choice(older_than_ms=100 * DAY_MS - 1), _LIVING - {"young"}),
        (Choice(idle_ms=90 * DAY_MS), _LIVING - {"young", "used", "office", "office-and-home", "six"}),
        (Choice(idle_ms=10 * DAY_MS), _LIVING - {"young", "used", "office", "office-and-home", "six"}),
        (Choice(idle_ms=10 * DAY_MS - 1), _LIVING - {"young", "office", "office-and-home", "six"}),
        (Choice(network="203.0.113.0/24"), {"office"}),
        (Choice(network="203.0.113.0/26"), None),
        (Choice(network="0.0.0.0/0"), {"office", "office-and-home"}),
        (Choice(network="2001:db8::/32"), {"six"}),
        (Choice(account="acme", scopes=("withdraw", "trade")), {"withdrawing"}),
        (Choice(account="other", older_than_ms=1), {"other"}),
        (Choice(account="other", network="0.0.0.0/0"), None),
        (Choice(account="nobody"), None),
        (Choice(older_than_ms=100 * DAY_MS), None),
    ],
)
async def test_a_key_is_chosen_if_it_can_be_revoked_and_all_that_is_given_holds(
    revoking: Revoking, choice: Choice, expected: set[str] | None
) -> None:
    if expected is None:
        with pytest.raises(KeyringError, match="no key that could be revoked is chosen"):
            await revoking.chosen(choice)
    else:
        assert {key.id for key in await revoking.chosen(choice)} == expected


async def test_what_was_shown_is_revoked_together_with_the_reason_in_the_trail(
    revoking: Revoking, vault: Vault
) -> None:
    choice = Choice(older_than_ms=DAY_MS)
    shown = await revoking.chosen(choice)
    revoked = await revoking.revoke(choice, ALICE)
    assert [key.id for key in revoked] == [key.id for key in shown]
    assert {(key.state, key.revision) for key in revoked} == {("deactivated", 2)}
    rows = [row for row in await vault.trail.records() if row.revision == 2]
    assert [row.subject.id for row in rows] == [key.id for key in revoked]
    assert {(row.command, row.actor, row.origin, row.why) for row in rows} == {
        ("deactivate", "alice", "cli host", "leak")
    }


async def test_each_revoked_key_is_told_to_the_shared_store(revoking: Revoking, buried: Buried) -> None:
    await revoking.revoke(Choice(account="other"), ALICE)
    assert buried.told == [("other", "other", NOW + TOMBSTONE_MS)]


async def test_looking_revokes_nothing(revoking: Revoking, vault: Vault) -> None:
    await revoking.chosen(Choice(account="acme"))
    assert await vault.keys.head() == 1


@pytest.mark.parametrize(
    ("choice", "by", "sentence"),
    [
        (Choice(), ALICE, "say which keys"),
        (Choice(scopes=("read",)), ALICE, "say which keys"),
        (Choice(network="203.0.113.1/24"), ALICE, "did you mean"),
        (Choice(account="acme"), By("alice"), "say why"),
        (Choice(account="acme"), By("alice", "x" * 1001), "at most 1000"),
        (Choice(account="nobody"), ALICE, "no key that could be revoked"),
    ],
)
async def test_what_cannot_be_meant_revokes_nothing(
    revoking: Revoking, vault: Vault, choice: Choice, by: By, sentence: str
) -> None:
    with pytest.raises(KeyringError, match=sentence):
        await revoking.revoke(choice, by)
    assert await vault.keys.head() == 1


async def test_idle_keys_are_ended_while_others_are_used_and_none_if_there_is_none(
    revoking: Revoking, vault: Vault
) -> None:
    ended = await revoking.end_idle(90 * DAY_MS, ALICE)
    assert {key.id for key in ended} == _LIVING - {"young", "used", "office", "office-and-home", "six"}
    assert await revoking.end_idle(90 * DAY_MS, ALICE) == ()
    assert await vault.keys.head() == 2


async def test_if_nobody_was_there_lately_the_clock_is_doubted_and_no_idle_key_is_ended(vault: Vault) -> None:
    much_later = Revoking(vault, now=lambda: UnixMs(NOW + 46 * DAY_MS))
    with pytest.raises(KeyringError, match="is the clock right"):
        await much_later.end_idle(90 * DAY_MS, ALICE)
    assert await vault.keys.head() == 1
