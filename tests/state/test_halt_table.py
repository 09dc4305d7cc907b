import asyncio

from guard.model.halts import Halt, HaltId, HaltKind
from guard.model.names import UnixMs
from guard.state.vault import Vault
from tests.build import halt
from tests.state.key_records import CREATED, deed, record


def named(name: str, account: str = "acme") -> Halt:
    return halt(HaltKind.ACCOUNT, account, id=HaltId(name), since=CREATED)


async def test_a_halt_moves_the_revision_that_keys_share_and_carries_it(vault: Vault) -> None:
    await vault.keys.insert([record("k1")], deed())
    written = await vault.halts.insert(named("h1"), deed("halt", "runaway"))
    assert (written.revision, await vault.keys.head()) == (2, 2)
    assert await vault.halts.all() == (written,)


async def test_halting_and_lifting_are_each_in_the_audit_trail_with_before_and_after(vault: Vault) -> None:
    await vault.halts.insert(named("h1"), deed("halt", "runaway"))
    [lifted] = await vault.halts.lift(lambda _: True, UnixMs(CREATED + 5), deed("lift", "over"))
    first, second = await vault.trail.records()
    assert [(each.command, each.why, each.subject.kind, each.subject.id) for each in (first, second)] == [
        ("halt", "runaway", "halt", "h1"),
        ("lift", "over", "halt", "h1"),
    ]
    assert first.before is None
    assert first.after == second.before
    assert second.after is not None
    assert second.after["lifted_at"] == lifted.lifted_at == CREATED + 5
    assert [first.revision, second.revision] == [1, 2]


async def test_only_what_is_chosen_and_in_force_is_lifted_all_at_one_revision(vault: Vault) -> None:
    for name in ("h1", "h2", "h3"):
        await vault.halts.insert(named(name), deed("halt"))
    await vault.halts.lift(lambda each: each.id == "h1", CREATED, deed("lift"))
    lifted = await vault.halts.lift(lambda each: each.id != "h3", UnixMs(CREATED + 1), deed("lift"))
    assert [(each.id, each.revision) for each in lifted] == [("h2", 5)]
    assert [each.id for each in await vault.halts.all() if each.lifted_at is None] == ["h3"]


async def test_lifting_nothing_writes_nothing(vault: Vault) -> None:
    await vault.halts.insert(named("h1"), deed("halt"))
    assert await vault.halts.lift(lambda _: False, CREATED, deed("lift")) == ()
    assert await vault.keys.head() == 1
    assert len(await vault.trail.records()) == 1


async def test_halts_of_concurrent_writers_each_get_a_revision_of_their_own(vault: Vault) -> None:
    names = [f"h{number}" for number in range(8)]
    written = await asyncio.gather(*(vault.halts.insert(named(name), deed("halt")) for name in names))
    assert sorted(each.revision for each in written) == list(range(1, 9))
    assert len(await vault.trail.records()) == 8
