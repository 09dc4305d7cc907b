"""The second person: who may be one, and what then happens, all or nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guard.core.lifecycle import KeyCommand
from guard.model.admins import ReleaseState
from guard.model.keys import KeyState
from guard.model.names import UnixMs
from guard.service.dual_control import RELEASE_MS
from guard.service.key_orders import KeyringError, Obstacle
from guard.service.key_steps import By
from tests.service.ring import ALICE, BOB, START, WITHDRAW, Ring, opened_ring


@pytest.fixture
async def ring(tmp_path: Path) -> AsyncIterator[Ring]:
    async with opened_ring(tmp_path) as opened:
        yield opened


async def asked(ring: Ring) -> str:
    await ring.keyring.create(WITHDRAW, ALICE)
    return await ring.waiting("W-1")


async def hired(ring: Ring, *names: tuple[str, str]) -> None:
    """Tokens, one after the other, and who made each."""
    for name, made_by in names:
        await ring.token(name, made_by)
        ring.now = UnixMs(ring.now + 1)


async def refused(ring: Ring, release: str, by: By) -> Obstacle:
    with pytest.raises(KeyringError) as raised:
        await ring.releases.confirm(release, by)
    assert (await ring.stored("W-1")).state is not KeyState.ACTIVE
    return raised.value.obstacle


async def test_a_second_person_puts_the_key_into_use(ring: Ring) -> None:
    release = await asked(ring)
    settled = await ring.releases.confirm(release, BOB)
    assert (settled.state, settled.settled_by, settled.settled_at) == (ReleaseState.CONFIRMED, "bob", START)
    assert (await ring.stored("W-1")).state is KeyState.ACTIVE
    assert await ring.releases.all() == (settled,)


@pytest.mark.parametrize("name", ["alice", "Alice", "ALICE"])
async def test_who_asked_cannot_confirm_in_any_spelling(ring: Ring, name: str) -> None:
    assert await refused(ring, await asked(ring), By(name)) is Obstacle.FORBIDDEN


async def test_a_token_that_the_asker_made_through_others_cannot_confirm(ring: Ring) -> None:
    for name, made_by in (("alice", "root"), ("puppet", "alice"), ("string", "puppet"), ("bob", "root")):
        await ring.token(name, made_by)
    release = await asked(ring)
    for name in ("puppet", "string"):
        assert await refused(ring, release, By(name)) is Obstacle.FORBIDDEN
    await ring.releases.confirm(release, BOB)


async def test_who_made_the_askers_token_through_others_cannot_confirm(ring: Ring) -> None:
    await hired(ring, ("bootstrap", "guard serve"), ("carol", "bootstrap"), ("dave", "carol"), ("alice", "dave"))
    await hired(ring, ("bob", "bootstrap"))
    release = await asked(ring)
    for name in ("dave", "Carol", "bootstrap"):
        assert await refused(ring, release, By(name)) is Obstacle.FORBIDDEN
    await ring.releases.confirm(release, BOB)


async def test_two_tokens_of_one_maker_are_no_two_persons(ring: Ring) -> None:
    await hired(ring, ("carol", "root"), ("dave", "carol"), ("alice", "dave"), ("puppet", "dave"), ("string", "puppet"))
    release = await asked(ring)
    for name in ("puppet", "string"):
        with pytest.raises(KeyringError, match=f"tokens alice and {name} were both made by dave: somebody else"):
            await ring.releases.confirm(release, By(name))


async def test_that_the_holder_of_the_first_token_made_both_tells_nothing(ring: Ring) -> None:
    await hired(ring, ("bootstrap", "guard serve"), ("alice", "bootstrap"), ("bob", "bootstrap"))
    await ring.releases.confirm(await asked(ring), BOB)


async def test_a_release_is_confirmed_once(ring: Ring) -> None:
    release = await asked(ring)
    await ring.releases.confirm(release, BOB)
    with pytest.raises(KeyringError, match="waits no more: it is confirmed by bob"):
        await ring.releases.confirm(release, By("carol"))
    with pytest.raises(KeyringError, match="waits no more"):
        await ring.releases.reject(release, By("carol"))


async def test_a_release_expires_to_the_millisecond_and_can_then_only_be_rejected(ring: Ring) -> None:
    release = await asked(ring)
    ring.now = UnixMs(START + RELEASE_MS)
    assert await refused(ring, release, BOB) is Obstacle.CONFLICT
    assert (await ring.releases.all())[0].state is ReleaseState.EXPIRED
    assert (await ring.releases.reject(release, BOB)).state is ReleaseState.REJECTED


async def test_a_release_is_good_to_its_last_millisecond(ring: Ring) -> None:
    release = await asked(ring)
    ring.now = UnixMs(START + RELEASE_MS - 1)
    assert (await ring.releases.confirm(release, BOB)).state is ReleaseState.CONFIRMED


async def test_what_is_rejected_is_destroyed_and_the_asker_may_reject(ring: Ring) -> None:
    release = await asked(ring)
    assert (await ring.releases.reject(release, ALICE)).state is ReleaseState.REJECTED
    record = await ring.stored("W-1")
    assert (record.state, record.material.reveal()) == (KeyState.DESTROYED, b"")


async def test_a_key_that_was_ended_meanwhile_is_not_put_into_use_and_nothing_is_settled(ring: Ring) -> None:
    release = await asked(ring)
    await ring.keyring.command("W-1", KeyCommand.REPORT_COMPROMISED, ALICE)
    assert await refused(ring, release, BOB) is Obstacle.CONFLICT
    assert (await ring.releases.all())[0].state is ReleaseState.PENDING
    await ring.releases.reject(release, BOB)
    assert (await ring.stored("W-1")).state is KeyState.COMPROMISED


async def test_a_confirmed_rotation_begins_its_overlap_then(ring: Ring) -> None:
    await ring.active_withdrawer()
    issued = await ring.keyring.rotate("W-1", ALICE, overlap_ms=5000)
    ring.now = UnixMs(START + 1000)
    await ring.releases.confirm(await ring.waiting(issued.key.id), BOB)
    assert (await ring.stored("W-1")).dies_at == START + 6000
    assert (await ring.stored(issued.key.id)).state is KeyState.ACTIVE


async def test_of_two_rotations_of_one_key_one_is_confirmed(ring: Ring) -> None:
    await ring.active_withdrawer()
    first, second = [await ring.keyring.rotate("W-1", ALICE) for _ in range(2)]
    await ring.releases.confirm(await ring.waiting(first.key.id), BOB)
    with pytest.raises(KeyringError, match="was rotated already"):
        await ring.releases.confirm(await ring.waiting(second.key.id), BOB)
    assert (await ring.stored(second.key.id)).state is KeyState.PRE_ACTIVATION


async def test_a_rejected_rotation_leaves_the_old_key(ring: Ring) -> None:
    await ring.active_withdrawer()
    issued = await ring.keyring.rotate("W-1", ALICE)
    await ring.releases.reject(await ring.waiting(issued.key.id), BOB)
    assert (await ring.stored(issued.key.id)).state is KeyState.DESTROYED
    old = await ring.stored("W-1")
    assert (old.state, old.dies_at) == (KeyState.ACTIVE, None)


async def test_a_resumption_is_confirmed_or_leaves_the_key_suspended(ring: Ring) -> None:
    await ring.active_withdrawer()
    await ring.keyring.command("W-1", KeyCommand.SUSPEND, ALICE)
    for verdict, state in ((ring.releases.reject, KeyState.SUSPENDED), (ring.releases.confirm, KeyState.ACTIVE)):
        await ring.keyring.command("W-1", KeyCommand.RESUME, ALICE)
        await verdict(await ring.waiting("W-1"), BOB)
        assert (await ring.stored("W-1")).state is state


async def test_a_verdict_and_its_key_stand_in_the_audit_trail_with_who_asked_and_who_settled(ring: Ring) -> None:
    await ring.active_withdrawer()
    told = [(each.actor, each.command, each.subject.kind) for each in await ring.vault.trail.records()]
    assert told[1:] == [
        ("alice", "create", "key"),
        ("alice", "create", "release"),
        ("bob", "confirm", "key"),
        ("bob", "confirm", "release"),
    ]


async def test_a_release_that_nobody_asked_for_is_unknown(ring: Ring) -> None:
    with pytest.raises(KeyringError, match="there is no release gr_no") as raised:
        await ring.releases.confirm("gr_no", BOB)
    assert raised.value.obstacle is Obstacle.UNKNOWN


async def test_of_two_who_confirm_at_once_one_is_too_late(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    release = await asked(ring)
    before = await ring.vault.releases.find(release)
    await ring.releases.reject(release, BOB)

    async def as_it_was(_: str) -> object:
        return before

    monkeypatch.setattr(ring.vault.releases, "find", as_it_was)
    with pytest.raises(KeyringError, match=r"destroyed|settled by somebody else"):
        await ring.releases.confirm(release, By("carol"))
    with pytest.raises(KeyringError, match="settled by somebody else"):
        await ring.releases.reject(release, By("carol"))
