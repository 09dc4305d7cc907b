"""What weakens policies in force waits for a second person: for this change, for a day, and once."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guard.model.admins import ReleaseState
from guard.model.audit import Deed
from guard.model.names import UnixMs
from guard.model.policy_versions import VERSIONS_MAX
from guard.policy.load import fingerprint
from guard.service.key_orders import KeyringError
from guard.service.key_steps import By
from guard.service.policies import rulebook_of
from guard.service.policy_consent import PolicyConsent, by_both
from guard.service.rulebook import Rulebook
from guard.state.policy_history import Contents
from tests.service.ring import ALICE, BOB, Ring, opened_ring

DAY_MS = 24 * 3600 * 1000
STRICT = "dual_control: {changes: weakens}"
PEER = By("guard serve", "policy files have changed")


@pytest.fixture
async def ring(tmp_path: Path) -> AsyncIterator[Ring]:
    async with opened_ring(tmp_path) as opened:
        yield opened


def book(window: str, more: str = STRICT) -> Rulebook:
    """Policies that accept what is as old as `window`."""
    text = f"""
version: 1
service: exchange
upstream: http://127.0.0.1:9
auth: {{scheme: guard-v1, window: {{past: {window}}}}}
routes:
  GET /v1/x: {{scope: read}}
{more}
"""
    found = rulebook_of({"exchange.yaml": text.encode()})
    assert isinstance(found, Rulebook), found
    return found


def contents(found: Rulebook) -> Contents:
    return Contents(fingerprint(found.files), found.files)


def consent(ring: Ring) -> PolicyConsent:
    numbers = iter(range(100))
    return PolicyConsent(ring.vault, now=lambda: ring.now, random=lambda length: bytes([next(numbers)]) * length)


async def asked(line: PolicyConsent, before: Rulebook, after: Rulebook, by: By = ALICE) -> str:
    release = await line.awaited(before, after, by)
    return "" if release is None else release.id


async def state(line: PolicyConsent, release: str) -> ReleaseState | None:
    found = await line.find(release)
    return None if found is None else found.state


async def test_what_weakens_waits_until_another_than_who_asked_confirms_it(ring: Ring) -> None:
    line = consent(ring)
    release = await line.awaited(book("5s"), book("9s"), ALICE)
    assert release is not None
    assert (release.command, release.requested_by, release.state) == ("reload", "alice", ReleaseState.PENDING)
    assert release.why == "a reason: weakens 1, tightens 0, renames 0, neutral 0"
    with pytest.raises(KeyringError, match="somebody else must confirm it"):
        await ring.releases.confirm(release.id, ALICE)
    assert await asked(line, book("5s"), book("9s")) == release.id
    await ring.releases.confirm(release.id, BOB)
    assert await asked(line, book("5s"), book("9s")) == ""
    confirmed = await line.find(release.id)
    assert confirmed is not None
    assert confirmed.state is ReleaseState.CONFIRMED
    assert by_both(confirmed) == By("alice", f"{release.why}; confirmed by bob")
    assert [(each.command, each.actor) for each in await ring.vault.trail.records()][-2:] == [
        ("reload", "alice"),
        ("confirm", "bob"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "waits"),
    [
        (book("5s"), book("4s"), False),
        (book("5s"), book("5s"), False),
        (book("5s", ""), book("9s", ""), False),
        (book("5s", ""), book("9s"), False),  # those in force did not ask for it yet
        (book("5s"), book("5s", ""), True),  # who takes dual control away
    ],
)
async def test_the_policies_in_force_say_whether_a_change_waits(
    ring: Ring, before: Rulebook, after: Rulebook, *, waits: bool
) -> None:
    assert (await asked(consent(ring), before, after) != "") is waits


async def test_nodes_that_read_the_same_files_wait_for_one_release_and_another_change_for_another(ring: Ring) -> None:
    first, second = consent(ring), PolicyConsent(ring.vault, now=lambda: ring.now, random=lambda n: b"\xff" * n)
    release = await asked(first, book("5s"), book("9s"))
    assert await asked(second, book("5s"), book("9s"), PEER) == release
    await ring.releases.confirm(release, BOB)
    assert await asked(second, book("5s"), book("9s"), PEER) == ""
    assert await asked(first, book("5s"), book("10s")) not in ("", release)


async def test_what_was_confirmed_counts_for_a_day(ring: Ring) -> None:
    line = consent(ring)
    release = await asked(line, book("5s"), book("9s"))
    await ring.releases.confirm(release, BOB)
    ring.now = UnixMs(ring.now + DAY_MS - 1)
    assert await asked(line, book("5s"), book("9s")) == ""
    ring.now = UnixMs(ring.now + 1)
    assert await asked(line, book("5s"), book("9s")) not in ("", release)


async def test_what_was_confirmed_counts_until_it_was_made_and_others_came_after_it(ring: Ring) -> None:
    line, narrow, wide = consent(ring), book("5s"), book("9s")
    release = await asked(line, narrow, wide)
    await ring.releases.confirm(release, BOB)
    steps = Deed(command="reload", actor="alice", why="", at=ring.now)
    await ring.vault.policies.add(contents(narrow), contents(wide), "weakens 1", steps)
    assert await asked(line, narrow, wide) == ""  # the other nodes follow
    await ring.vault.policies.add(contents(wide), contents(narrow), "tightens 1", steps)
    assert await asked(line, narrow, wide) not in ("", release)


async def test_what_was_made_counts_no_more_when_its_version_is_not_kept_any_longer(ring: Ring) -> None:
    line, narrow, wide = consent(ring), book("5s"), book("9s")
    release = await asked(line, narrow, wide)
    await ring.releases.confirm(release, BOB)
    steps = Deed(command="reload", actor="alice", why="", at=ring.now)
    others = [book("5s", f"{STRICT}\n# {number}") for number in range(VERSIONS_MAX)]
    made = [narrow, wide, narrow, *others, narrow]
    for before, after in itertools.pairwise(made):
        await ring.vault.policies.add(contents(before), contents(after), "", steps)
    assert await ring.vault.policies.files(wide.policies.digest) is None
    assert await asked(line, narrow, wide) not in ("", release)


async def test_what_was_confirmed_is_made_though_another_node_had_started_with_it(ring: Ring) -> None:
    line, narrow, wide = consent(ring), book("5s"), book("9s")
    release = await asked(line, narrow, wide)
    steps = Deed(command="reload", actor="alice", why="", at=ring.now)
    await ring.vault.policies.began(contents(wide), steps)
    await ring.releases.confirm(release, BOB)
    for before, after in ((narrow, wide), (wide, narrow)):
        await ring.vault.policies.add(contents(before), contents(after), "", steps)
    assert await asked(line, narrow, wide) not in ("", release)


async def test_what_was_in_force_before_it_was_confirmed_is_not_what_was_confirmed(ring: Ring) -> None:
    """A moment ago, too: nobody's clock is asked."""
    line, narrow, wide = consent(ring), book("5s"), book("9s")
    steps = Deed(command="reload", actor="alice", why="", at=ring.now)
    await ring.vault.policies.add(contents(narrow), contents(wide), "weakens 1", steps)
    await ring.vault.policies.add(contents(wide), contents(narrow), "tightens 1", steps)
    release = await asked(line, narrow, wide)
    await ring.releases.confirm(release, BOB)
    assert await asked(line, narrow, wide) == ""


async def test_what_was_rejected_or_expired_is_asked_for_anew(ring: Ring) -> None:
    line = consent(ring)
    release = await asked(line, book("5s"), book("9s"))
    await ring.releases.reject(release, ALICE)
    assert await state(line, release) is ReleaseState.REJECTED
    second = await asked(line, book("5s"), book("9s"))
    assert second not in ("", release)
    ring.now = UnixMs(ring.now + DAY_MS)
    assert await state(line, second) is ReleaseState.EXPIRED
    assert await asked(line, book("5s"), book("9s")) not in ("", second)
    assert await state(line, "gr_nowhere") is None
