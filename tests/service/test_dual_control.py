"""No single person puts a key with such a scope into use, whichever way."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guard.core.lifecycle import KeyCommand
from guard.model.keys import KeyState
from guard.service.dual_control import RELEASE_MS, put_under_dual_control
from guard.service.key_orders import KeyOrder, KeyringError, Obstacle
from tests.service.ring import ALICE, BOB, START, WITHDRAW, Ring, opened_ring


@pytest.fixture
async def ring(tmp_path: Path) -> AsyncIterator[Ring]:
    async with opened_ring(tmp_path) as opened:
        yield opened


async def test_a_key_with_such_a_scope_is_made_but_not_active(ring: Ring) -> None:
    issued = await ring.keyring.create(WITHDRAW, ALICE)
    assert issued.secret is not None
    assert (await ring.stored("W-1")).state is KeyState.PRE_ACTIVATION
    release = await ring.keyring.waiting("W-1")
    assert release is not None
    assert (release.command, release.requested_by, release.why) == ("create", "alice", "a reason")
    assert release.expires_at == START + RELEASE_MS


async def test_a_key_without_such_a_scope_is_active_at_once(ring: Ring) -> None:
    issued = await ring.keyring.create(KeyOrder(account="acme", scopes=("read",)), ALICE)
    assert issued.key.state == "active"
    assert await ring.keyring.waiting(issued.key.id) is None


async def test_an_imported_key_waits_while_its_neighbours_do_not(ring: Ring) -> None:
    orders = [
        KeyOrder(account="acme", id="I-1", secret="s" * 32, scopes=("withdraw",)),
        KeyOrder(account="acme", id="I-2", secret="t" * 32, scopes=("read",)),
    ]
    states = [key.state for key in await ring.keyring.take_over(orders, ALICE)]
    assert states == ["pre-activation", "active"]
    release = await ring.keyring.waiting("I-1")
    assert release is not None
    assert release.command == "import"


async def test_a_rotation_waits_and_the_old_key_goes_on(ring: Ring) -> None:
    await ring.active_withdrawer()
    issued = await ring.keyring.rotate("W-1", ALICE, overlap_ms=5000)
    assert issued.key.state == "pre-activation"
    old = await ring.stored("W-1")
    assert (old.state, old.dies_at) == (KeyState.ACTIVE, None)


async def test_a_suspended_key_stays_suspended_until_confirmed(ring: Ring) -> None:
    await ring.active_withdrawer()
    await ring.keyring.command("W-1", KeyCommand.SUSPEND, ALICE)
    assert (await ring.keyring.command("W-1", KeyCommand.RESUME, ALICE)).state == "suspended"
    with pytest.raises(KeyringError, match="waits for a second person already") as raised:
        await ring.keyring.command("W-1", KeyCommand.RESUME, BOB)
    assert raised.value.obstacle is Obstacle.CONFLICT


async def test_resuming_what_cannot_be_resumed_asks_nobody(ring: Ring) -> None:
    await ring.active_withdrawer()
    with pytest.raises(KeyringError, match="is active and cannot be resumed"):
        await ring.keyring.command("W-1", KeyCommand.RESUME, ALICE)
    assert await ring.keyring.waiting("W-1") is None


@pytest.mark.parametrize(
    "command", [KeyCommand.SUSPEND, KeyCommand.DEACTIVATE, KeyCommand.REPORT_COMPROMISED, KeyCommand.DESTROY]
)
async def test_ending_a_key_needs_nobody_else(ring: Ring, command: KeyCommand) -> None:
    await ring.active_withdrawer()
    assert (await ring.keyring.command("W-1", command, ALICE)).state != "active"
    assert await ring.keyring.waiting("W-1") is None


async def test_nobody_activates_a_key_by_hand(ring: Ring) -> None:
    await ring.keyring.create(WITHDRAW, ALICE)
    with pytest.raises(KeyringError, match="when a second person confirms it"):
        await ring.keyring.command("W-1", KeyCommand.ACTIVATE, BOB)
    assert (await ring.stored("W-1")).state is KeyState.PRE_ACTIVATION


async def test_the_scopes_are_those_of_the_last_policies_and_their_change_is_recorded_once(ring: Ring) -> None:
    for scopes in (frozenset({"admin"}), frozenset({"admin"})):
        await put_under_dual_control(ring.vault, scopes, ALICE, START)
    assert await ring.vault.releases.scopes() == {"admin"}
    assert [each.command for each in await ring.vault.trail.records()].count("set_dual_control") == 2
    issued = await ring.keyring.create(WITHDRAW, ALICE)
    assert issued.key.state == "active"
