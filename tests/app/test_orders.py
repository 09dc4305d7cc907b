"""What is ordered once is taken by every node, and what was confirmed is made by those that wait for it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from guard.app import orders
from guard.app.orders import following_orders
from guard.app.reloading import began, recording, reloading_of
from guard.model.names import UnixMs
from guard.service.key_steps import By
from guard.service.policies import Rules, restored
from guard.service.policy_consent import PolicyConsent
from guard.service.reloading import Demand, Outcome, Reloading
from guard.settings import Settings
from guard.telemetry.meter import Meter
from tests.service.ring import ALICE, BOB, Ring, opened_ring
from tests.service.test_policy_consent import book
from tests.upstream.asking import until

NARROW, WIDE = book("5s"), book("9s")


class Fleet:
    """Two nodes of one database, whose files say `found`."""

    def __init__(self, ring: Ring, nodes: tuple[Reloading, Reloading]) -> None:
        self.ring = ring
        self.one, self.other = nodes

    def in_force(self) -> tuple[str, str]:
        return self.one.rules.policies.digest, self.other.rules.policies.digest


async def _node(ring: Ring, stack: AsyncExitStack) -> Reloading:
    now = lambda: ring.now  # noqa: E731  # the ring's clock
    rules, consent = Rules(NARROW), PolicyConsent(ring.vault, now=now, random=secrets.token_bytes)
    reloading = reloading_of(
        *(Settings(), rules, lambda _: lambda: None, recording(ring.vault, rules, now)),
        meter=Meter(),
        now=now,
        read=lambda: WIDE,
        consent=consent,
    )
    await began(ring.vault, rules, ring.now, Settings())
    await stack.enter_async_context(following_orders(reloading, ring.vault, consent))
    return reloading


@pytest.fixture
async def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    monkeypatch.setattr(orders, "EVERY_S", 0.01)
    async with opened_ring(tmp_path) as ring, AsyncExitStack() as stack:
        yield Fleet(ring, (await _node(ring, stack), await _node(ring, stack)))


async def test_what_waits_is_in_force_on_all_nodes_that_read_it_once_a_second_person_confirms(fleet: Fleet) -> None:
    attempts = [await node.reload(ALICE) for node in (fleet.one, fleet.other)]
    assert [attempt.outcome for attempt in attempts] == [Outcome.WAITING] * 2
    release = attempts[0].release
    assert fleet.in_force() == (NARROW.policies.digest,) * 2
    assert fleet.one.degraded == (f"policy: a change waits for a second person: `guard releases confirm {release}`",)
    await fleet.ring.releases.confirm(release, BOB)
    await until(lambda: fleet.in_force() == (WIDE.policies.digest,) * 2)
    assert (fleet.one.stale, fleet.one.waits_for) == (None, "")


async def test_history_names_who_asked_and_who_confirmed_whichever_node_makes_the_change(fleet: Fleet) -> None:
    """The node that was asked is gone; another one, whose files changed too, makes it."""
    gone = PolicyConsent(fleet.ring.vault, now=lambda: fleet.ring.now, random=secrets.token_bytes)
    asked = await gone.awaited(NARROW, WIDE, ALICE)
    assert asked is not None
    assert (await fleet.other.reload(By("guard serve", "policy files have changed"))).release == asked.id
    await fleet.ring.releases.confirm(asked.id, BOB)
    await until(lambda: fleet.other.rules.policies.digest == WIDE.policies.digest)
    [made, _] = await fleet.ring.vault.policies.all()
    assert (made.actor, made.why) == (
        "alice",
        "a reason: weakens 1, tightens 0, renames 0, neutral 0; confirmed by bob",
    )


async def test_what_is_rejected_stays_out_of_force_and_says_so(fleet: Fleet) -> None:
    release = (await fleet.one.reload(ALICE)).release
    await fleet.ring.releases.reject(release, ALICE)
    await until(lambda: fleet.one.waits_for == "")
    assert fleet.in_force() == (NARROW.policies.digest,) * 2
    assert fleet.one.degraded == (f"policy: stale, a reload was refused: {release} was not confirmed",)


async def test_what_one_node_puts_in_force_everywhere_the_others_take(fleet: Fleet) -> None:
    tight = book("4s")
    done = await fleet.one.take(partial(restored, tight.files), Demand(by=BOB, everywhere=True))
    assert done.outcome is Outcome.SWAPPED
    await until(lambda: fleet.in_force() == (tight.policies.digest,) * 2)
    assert fleet.other.last is not None
    assert fleet.other.last.by.actor == "bob"
    versions = await fleet.ring.vault.policies.all()
    assert [(each.digest, each.actor) for each in versions] == [
        (tight.policies.digest, "bob"),
        (NARROW.policies.digest, "guard serve"),
    ]


async def test_a_version_that_weakens_is_ordered_everywhere_only_when_it_was_confirmed(fleet: Fleet) -> None:
    demand = Demand(by=ALICE, everywhere=True)
    release = (await fleet.one.take(partial(restored, WIDE.files), demand)).release
    assert await fleet.ring.vault.policies.ordered() is None
    await fleet.ring.releases.confirm(release, BOB)
    await until(lambda: fleet.in_force() == (WIDE.policies.digest,) * 2)


async def test_what_was_ordered_before_a_node_started_is_not_taken_by_it(fleet: Fleet) -> None:
    tight = book("4s")
    await fleet.one.take(partial(restored, tight.files), Demand(by=BOB, everywhere=True))
    async with AsyncExitStack() as stack:
        late = await _node(fleet.ring, stack)
        await until(lambda: fleet.in_force() == (tight.policies.digest,) * 2)
        assert late.rules.policies.digest == NARROW.policies.digest


async def test_a_database_that_does_not_answer_is_asked_again(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    from guard.state.database import DatabaseError  # noqa: PLC0415  # only here

    asked: list[UnixMs] = []

    async def lost() -> None:
        asked.append(fleet.ring.now)
        raise DatabaseError("gone")

    ordered = fleet.ring.vault.policies.ordered
    monkeypatch.setattr(fleet.ring.vault.policies, "ordered", lost)
    await until(lambda: len(asked) > 2)
    monkeypatch.setattr(fleet.ring.vault.policies, "ordered", ordered)
    tight = book("4s")
    await fleet.one.take(partial(restored, tight.files), Demand(by=BOB, everywhere=True))
    await until(lambda: fleet.in_force() == (tight.policies.digest,) * 2)


async def test_an_order_that_comes_late_undoes_nothing_that_came_after_it(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One node orders a version and then changes its mind, before either has asked what is ordered."""

    async def nothing() -> None:
        return None

    tight, tighter = book("4s"), book("3s")
    ordered = fleet.ring.vault.policies.ordered
    monkeypatch.setattr(fleet.ring.vault.policies, "ordered", nothing)
    await fleet.one.take(partial(restored, tight.files), Demand(by=BOB, everywhere=True))
    await fleet.one.take(partial(restored, tighter.files), Demand(by=ALICE))
    monkeypatch.setattr(fleet.ring.vault.policies, "ordered", ordered)
    await until(lambda: fleet.other.rules.policies.digest == tight.policies.digest)
    assert fleet.one.rules.policies.digest == tighter.policies.digest
    await asyncio.sleep(0.05)  # some turns more
    assert fleet.in_force() == (tighter.policies.digest, tight.policies.digest)
