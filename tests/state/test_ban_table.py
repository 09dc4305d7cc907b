from typing import Any

import msgspec
import pytest

from guard.model.abuse import Action
from guard.model.bans import Ban, BanId
from guard.model.names import UnixMs
from guard.model.rules import Mode
from guard.state.ban_table import KEPT_MS
from guard.state.vault import Vault
from tests.build import ban, rule
from tests.state.key_records import CREATED, deed, record

_END = UnixMs(CREATED + 120_000)


def _named(name: str, **changes: Any) -> Ban:
    fields: dict[str, Any] = {"id": BanId(f"ban_{name}"), "since": CREATED, "until": _END}
    return ban(name=name, **{**fields, **changes})


async def test_bans_share_the_revision_of_keys_and_carry_it(vault: Vault) -> None:
    await vault.keys.insert([record("k1")], deed())
    written = await vault.bans.write([_named("a"), _named("b")], deed("ban"))
    assert [each.revision for each in written] == [2, 2]
    assert await vault.bans.all() == written


async def test_a_subject_has_one_row_and_the_last_word_stands(vault: Vault) -> None:
    await vault.bans.write([_named("a")], deed("ban"))
    [again] = await vault.bans.write([_named("a", strikes=2)], deed("ban"))
    assert await vault.bans.all() == (again,)
    assert (again.strikes, again.revision) == (2, 2)


async def test_what_a_ladder_does_never_takes_the_place_of_something_more_severe(vault: Vault) -> None:
    [banned] = await vault.bans.write([_named("a")], deed("ban"))
    milder = _named("a", action=Action.QUARANTINE, since=UnixMs(_END - 1), until=UnixMs(_END + 1))
    assert await vault.bans.write([milder], deed("ban")) == ()
    assert await vault.bans.all() == (banned,)
    assert await vault.keys.head() == 1
    later = milder.until
    for after in (
        msgspec.structs.replace(milder, rule=None),
        _named("a"),
        msgspec.structs.replace(milder, since=later),
    ):
        await vault.bans.write([after], deed("ban"))
        assert [(each.action, each.since) for each in await vault.bans.all()] == [(after.action, after.since)]


async def test_a_ban_is_in_the_audit_trail_as_it_was_and_as_it_is(vault: Vault) -> None:
    await vault.bans.write([_named("a")], deed("ban", "abuse"))
    await vault.bans.change(lambda each: msgspec.structs.replace(each, lifted_at=CREATED), deed("lift", "over"))
    first, second = await vault.trail.records()
    assert [(each.command, each.why, each.subject.kind, each.subject.id) for each in (first, second)] == [
        ("ban", "abuse", "ban", "ban_a"),
        ("lift", "over", "ban", "ban_a"),
    ]
    assert (first.before, first.after) == (None, second.before)
    assert second.after is not None
    assert second.after["lifted_at"] == CREATED


async def test_what_is_only_recorded_is_no_deed_of_anybody(vault: Vault) -> None:
    await vault.bans.write([_named("a", rule=rule("abuse", Mode.SHADOW))], deed("ban"))
    assert len(await vault.bans.all()) == 1
    assert await vault.trail.records() == ()


async def test_only_what_is_to_change_is_written_and_nothing_else(vault: Vault) -> None:
    await vault.bans.write([_named("a"), _named("b")], deed("ban"))
    changed = await vault.bans.change(
        lambda each: msgspec.structs.replace(each, strikes=9) if each.name == "a" else None, deed("extend")
    )
    assert [(each.name, each.revision) for each in changed] == [("a", 2)]
    assert await vault.bans.change(lambda _: None, deed("lift")) == ()
    assert await vault.keys.head() == 2


@pytest.mark.parametrize(("age_ms", "left"), [(KEPT_MS, 1), (KEPT_MS + 1, 0)])
async def test_a_row_is_kept_for_a_while_after_its_end(vault: Vault, age_ms: int, left: int) -> None:
    await vault.bans.write([_named("a")], deed("ban"))
    await vault.bans.prune(UnixMs(_END + age_ms))
    assert len(await vault.bans.all()) == left


async def test_a_poll_tells_of_bans_that_changed_since(vault: Vault) -> None:
    await vault.keys.insert([record("k1")], deed())
    [written] = await vault.bans.write([_named("a")], deed("ban"))
    assert (await vault.keys.poll(0)).bans == (written,)
    told = await vault.keys.poll(1)
    assert (told.bans, told.changed, told.halts) == ((written,), (), ())
    assert (await vault.keys.poll(2)).bans == ()
