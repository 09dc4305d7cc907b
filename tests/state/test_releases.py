import msgspec

from guard.model.admins import Release, ReleaseState
from guard.model.audit import Deed
from guard.model.names import KeyId, UnixMs
from guard.state.releases import pending, write_requests, write_verdict
from guard.state.vault import Vault
from tests.state.key_records import deed as key_deed
from tests.state.key_records import record

NOW = UnixMs(1_800_000_000_000)
ASKED = Deed(command="create", actor="alice", why="a test", at=NOW)
SETTLED = Deed(command="confirm", actor="bob", why="seen", at=UnixMs(NOW + 1))


def release(number: int = 1, **changes: object) -> Release:
    made = Release(
        id=f"gr_{number}",
        command="create",
        key_id=KeyId("k1"),
        requested_by="alice",
        requested_at=UnixMs(NOW + number),
        expires_at=UnixMs(NOW + 100),
    )
    return msgspec.structs.replace(made, **changes)


CONFIRMED = release(state=ReleaseState.CONFIRMED, settled_by="bob", settled_at=UnixMs(NOW + 1))


async def asked(vault: Vault, *releases: Release) -> None:
    await vault.keys.insert([record("k1")], key_deed(), also=lambda it: write_requests(it, releases, ASKED))


async def test_a_release_is_written_with_its_key_or_not_at_all(vault: Vault) -> None:
    await asked(vault, release())
    assert await vault.releases.find("gr_1") == release()
    taken = await vault.keys.insert([record("k1")], key_deed(), also=lambda it: write_requests(it, [release(2)], ASKED))
    assert taken == ("k1",)
    assert await vault.releases.find("gr_2") is None


async def test_releases_are_listed_newest_first(vault: Vault) -> None:
    await asked(vault, release(1), release(2))
    assert [each.id for each in await vault.releases.all()] == ["gr_2", "gr_1"]


async def test_a_release_is_settled_once(vault: Vault) -> None:
    await asked(vault, release())
    async with vault.database.writing() as connection:
        assert await write_verdict(connection, release(), CONFIRMED, SETTLED)
        assert not await write_verdict(connection, release(), CONFIRMED, SETTLED)
    assert await vault.releases.find("gr_1") == CONFIRMED


async def test_what_waits_for_a_key_is_pending_and_not_expired(vault: Vault) -> None:
    await asked(vault, release())
    assert await vault.releases.waiting(KeyId("k1"), UnixMs(NOW + 99)) == release()
    assert await vault.releases.waiting(KeyId("k1"), UnixMs(NOW + 100)) is None
    assert await vault.releases.waiting(KeyId("k2"), NOW) is None
    async with vault.database.writing() as connection:
        await write_verdict(connection, release(), CONFIRMED, SETTLED)
        assert await pending(connection, KeyId("k1"), NOW) is None


async def test_asking_and_settling_stand_in_the_audit_trail(vault: Vault) -> None:
    await asked(vault, release())
    async with vault.database.writing() as connection:
        await write_verdict(connection, release(), CONFIRMED, SETTLED)
    first, second = [each for each in await vault.trail.records() if each.subject.kind == "release"]
    assert (first.actor, first.before, (first.after or {})["state"]) == ("alice", None, "pending")
    assert (second.actor, (second.before or {})["state"], (second.after or {})["state"]) == (
        "bob",
        "pending",
        "confirmed",
    )


async def test_scopes_under_dual_control_are_replaced_and_their_change_is_recorded_once(vault: Vault) -> None:
    change = Deed(command="set_dual_control", actor="guard serve", why="", at=NOW)
    assert await vault.releases.scopes() == set()
    for scopes in ({"withdraw", "admin"}, {"withdraw", "admin"}, {"withdraw"}, set[str]()):
        await vault.releases.set_scopes(scopes, change)
        assert await vault.releases.scopes() == scopes
    records = await vault.trail.records()
    assert [(each.before, each.after) for each in records] == [
        ({"scopes": []}, {"scopes": ["admin", "withdraw"]}),
        ({"scopes": ["admin", "withdraw"]}, {"scopes": ["withdraw"]}),
        ({"scopes": ["withdraw"]}, {"scopes": []}),
    ]
