import asyncio
from typing import Any

from guard.model.names import UnixMs
from guard.model.overrides import Override, OverrideId
from guard.model.rules import Mode
from guard.state.override_table import KEPT_MS
from guard.state.vault import Vault
from tests.build import override
from tests.state.key_records import CREATED, deed, record

_MS = 60_000


def named(name: str, rule: str = "limits.key", **changes: Any) -> Override:
    fields: dict[str, Any] = {"since": CREATED, "until": UnixMs(CREATED + _MS), **changes}
    return override(rule, id=OverrideId(name), **fields)


async def test_an_override_moves_the_revision_that_keys_share_and_carries_it(vault: Vault) -> None:
    await vault.keys.insert([record("k1")], deed())
    [written] = await vault.overrides.put(named("m1"), deed("override", "INC-42"))
    assert (written.revision, await vault.keys.head()) == (2, 2)
    assert await vault.overrides.all() == (written,)


async def test_a_new_one_takes_the_place_of_the_one_over_the_same_rule_and_of_no_other(vault: Vault) -> None:
    for each in (named("m1"), named("m2", "limits.ip"), named("m3", service="spot")):
        await vault.overrides.put(each, deed("override"))
    [new] = await vault.overrides.put(named("m4", mode=Mode.OFF), deed("override"))
    assert (new.id, new.revision) == ("m4", 4)
    known = {each.id: each.lifted_at for each in await vault.overrides.all()}
    assert known == {"m1": CREATED, "m2": None, "m3": None, "m4": None}
    assert [(each.subject.id, each.revision) for each in (await vault.trail.records())[-2:]] == [("m1", 4), ("m4", 4)]


async def test_what_is_not_wanted_beside_what_is_in_force_is_not_written(vault: Vault) -> None:
    await vault.overrides.put(named("m1"), deed("override"))
    assert await vault.overrides.put(named("m2"), deed("override"), unless=lambda each: each.id == "m1") == ()
    assert (await vault.keys.head(), len(await vault.trail.records())) == (1, 1)
    over = named("m0", since=UnixMs(CREATED - 2), until=CREATED)
    await vault.overrides.put(over, deed("override"))
    assert len(await vault.overrides.put(named("m3"), deed("override"), unless=lambda each: each.id == "m0")) == 1


async def test_overriding_and_lifting_are_each_in_the_audit_trail_with_before_and_after(vault: Vault) -> None:
    await vault.overrides.put(named("m1"), deed("override", "INC-42"))
    [lifted] = await vault.overrides.lift(lambda _: True, deed("lift", "over"))
    first, second = await vault.trail.records()
    assert [(each.command, each.why, each.subject.kind, each.subject.id) for each in (first, second)] == [
        ("override", "INC-42", "override", "m1"),
        ("lift", "over", "override", "m1"),
    ]
    assert first.before is None
    assert first.after == second.before
    assert second.after is not None
    assert second.after["lifted_at"] == lifted.lifted_at == CREATED
    assert second.after["mode"] == "shadow"


async def test_only_what_is_chosen_and_in_force_is_lifted(vault: Vault) -> None:
    await vault.overrides.put(named("m1"), deed("override"))
    await vault.overrides.put(named("m2", "limits.ip", since=UnixMs(CREATED - 9), until=CREATED), deed("override"))
    assert await vault.overrides.lift(lambda each: each.id == "m2", deed("lift")) == ()
    assert await vault.keys.head() == 2
    assert [each.id for each in await vault.overrides.lift(lambda _: True, deed("lift"))] == ["m1"]


async def test_what_was_over_long_ago_is_forgotten(vault: Vault) -> None:
    old = named("m1", since=UnixMs(0), until=UnixMs(CREATED - KEPT_MS - 1))
    kept = named("m2", since=UnixMs(1), until=UnixMs(CREATED - KEPT_MS))
    for each in (old, kept, named("m3")):
        await vault.overrides.put(each, deed("override"))
    assert [each.id for each in await vault.overrides.all()] == ["m2", "m3"]


async def test_of_those_that_are_made_at_once_over_the_same_rule_one_is_in_force(vault: Vault) -> None:
    await asyncio.gather(*(vault.overrides.put(named(f"m{each}"), deed("override")) for each in range(6)))
    assert len([each for each in await vault.overrides.all() if each.lifted_at is None]) == 1


async def test_a_poll_tells_of_the_overrides_that_changed_since_and_of_those_that_were_lifted(vault: Vault) -> None:
    [written] = await vault.overrides.put(named("m1"), deed("override"))
    assert (await vault.keys.poll(0)).overrides == (written,)
    assert (await vault.keys.poll(1)).overrides == ()
    lifted = await vault.overrides.lift(lambda _: True, deed("lift"))
    told = await vault.keys.poll(1)
    assert (told.overrides, told.revision, told.halts, told.bans, told.changed) == (lifted, 2, (), (), ())
