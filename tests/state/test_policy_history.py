"""What was in force stays to be had: by whom, why, and its very bytes."""

import pytest

from guard.model.names import UnixMs
from guard.model.policy_versions import VERSIONS_MAX, Narrowing, PolicyVersion
from guard.state.policy_history import Contents
from guard.state.vault import Vault
from tests.state.key_records import CREATED, deed


def _contents(name: str) -> Contents:
    return Contents(name, {"policies/a.yaml": name.encode() + b"\x00\xff"})


async def test_a_version_and_the_one_before_it_are_kept_with_their_bytes(vault: Vault) -> None:
    await vault.policies.add(_contents("a"), _contents("b"), "weakens 1", deed("reload", "INC-42"))
    first, second = reversed(await vault.policies.all())
    assert (first.number, first.digest, first.actor, first.why) == (1, "a", "", "")
    assert second == PolicyVersion(
        number=2, digest="b", at=UnixMs(CREATED), actor="alice", why="INC-42", summary="weakens 1"
    )
    assert await vault.policies.files("a") == {"policies/a.yaml": b"a\x00\xff"}
    assert await vault.policies.files("nowhere") is None


async def test_each_change_is_in_the_audit_trail_and_the_second_node_writes_nothing(vault: Vault) -> None:
    for _ in range(2):
        await vault.policies.add(_contents("a"), _contents("b"), "weakens 1", deed("reload"))
    [told] = await vault.trail.records()
    assert (told.command, told.subject.kind, told.subject.id) == ("reload", "policy", "files")
    assert (told.before, told.after) == ({"digest": "a"}, {"digest": "b", "summary": "weakens 1"})
    assert len(await vault.policies.all()) == 2


async def test_going_back_is_a_version_of_its_own_and_only_the_last_ones_are_kept(vault: Vault) -> None:
    await vault.policies.add(_contents("a"), _contents("b"), "", deed("reload"))
    await vault.policies.add(_contents("b"), _contents("a"), "", deed("rollback"))
    assert [each.digest for each in await vault.policies.all()] == ["a", "b", "a"]
    for number in range(VERSIONS_MAX):
        await vault.policies.add(_contents(f"v{number - 1}" if number else "a"), _contents(f"v{number}"), "", deed())
    kept = await vault.policies.all()
    assert len(kept) == VERSIONS_MAX
    assert kept[0].number == VERSIONS_MAX + 3
    assert await vault.policies.files("b") is None


async def test_what_is_in_force_from_a_start_on_is_written_once_with_who_put_it_there(vault: Vault) -> None:
    for _ in range(2):
        await vault.policies.began(_contents("a"), deed("start", "start"))
    await vault.policies.add(_contents("a"), _contents("b"), "", deed("reload"))
    await vault.policies.began(_contents("c"), deed("start"))
    assert [(each.digest, each.actor) for each in await vault.policies.all()] == [
        ("c", "alice"),
        ("b", "alice"),
        ("a", "alice"),
    ]
    first, _, started = await vault.trail.records()
    assert (started.before, started.after) == ({"digest": "b"}, {"digest": "c"})
    assert (first.command, first.before, first.after) == ("start", None, {"digest": "a"})


async def test_an_ordered_version_is_written_again_though_it_is_in_force(vault: Vault) -> None:
    assert await vault.policies.ordered() is None
    await vault.policies.add(_contents("a"), _contents("b"), "", deed("reload"))
    assert await vault.policies.ordered() is None
    for number in (3, 4):
        await vault.policies.add(_contents("b"), _contents("b"), "", deed("rollback"), ordered=True)
        found = await vault.policies.ordered()
        assert found is not None
        assert (found.number, found.digest) == (number, "b")


async def test_what_came_last_is_had_again_with_what_was_held_back(vault: Vault) -> None:
    assert await vault.policies.last() is None
    held = {"guard-v1": Narrowing(UnixMs(CREATED), 5000)}
    after = Contents("b", {"a.yaml": b"b"}, held)
    await vault.policies.add(_contents("a"), after, "", deed("reload"))
    assert await vault.policies.last() == after


async def test_what_is_ordered_is_asked_for_in_one_round_trip(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each node asks each second: transactions of three would take a slow database's connections from the polls."""

    def several(*_: object) -> None:
        raise AssertionError("a transaction of several round trips")

    monkeypatch.setattr(vault.database, "reading", several)
    assert await vault.policies.ordered() is None


async def test_versions_that_share_a_digest_are_told_apart(vault: Vault) -> None:
    """28 bits are found by trying comments."""
    first, second = (Contents(f"3f2a91c{end}", {"a.yaml": end.encode()}) for end in "ab")
    await vault.policies.began(first, deed("start"))
    await vault.policies.add(first, first, "", deed("rollback"), ordered=True)
    ordered = await vault.policies.ordered()
    await vault.policies.add(first, second, "", deed("reload"))
    assert [each.digest for each in await vault.policies.all()] == ["3f2a91c"] * 3
    assert await vault.policies.last() == second
    assert ordered is not None
    assert await vault.policies.files_of(ordered) == first.files
    await vault.policies.began(first, deed("start"))
    assert await vault.policies.last() == first
