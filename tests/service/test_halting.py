import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guard.model.halts import HaltKind
from guard.model.names import UnixMs
from guard.service.enforcement import Enforcement, InForce
from guard.service.halting import Halting, HaltOrder, over
from guard.service.key_orders import KeyringError
from guard.service.keyring import By
from guard.state.sealing import SealingKey
from guard.state.vault import Vault
from tests.state.key_records import deed, record

START = UnixMs(1_800_000_000_000)
ALICE = By("alice", "runaway bot", "cli host")
ACME = HaltOrder(kind=HaltKind.ACCOUNT, name="acme")
ALL = HaltOrder(kind=HaltKind.ALL)


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    opened = await Vault.open(f"sqlite:///{tmp_path}/guard.db", SealingKey(bytes(32), Path("sealing.key")))
    await opened.keys.insert([record("k1")], deed())
    yield opened
    await opened.close()


@pytest.fixture
def halting(vault: Vault) -> Halting:
    numbers = itertools.count()

    def random(length: int) -> bytes:
        return hashlib.shake_128(b"%d" % next(numbers)).digest(length)

    enforcement = Enforcement(lambda: vault.nodes.all(START), lambda: 0, asyncio.sleep)
    return Halting(vault, now=lambda: START, random=random, enforcement=enforcement)


@pytest.mark.parametrize(
    "order",
    [
        ACME,
        HaltOrder(kind=HaltKind.KEY, name="k1", reads_only=True),
        HaltOrder(kind=HaltKind.SERVICE, name="spot", with_cancels=True),
        HaltOrder(kind=HaltKind.ALL, reads_only=True, with_cancels=True),
    ],
)
async def test_a_halt_is_kept_with_what_it_is_over_what_passes_who_and_why(halting: Halting, order: HaltOrder) -> None:
    halted = await halting.halt(order, ALICE)
    assert await halting.halts() == (halted,)
    assert (halted.kind, halted.name, halted.reads_only, halted.with_cancels) == (
        order.kind,
        order.name,
        order.reads_only,
        order.with_cancels,
    )
    assert (halted.actor, halted.why, halted.since, halted.lifted_at) == ("alice", "runaway bot", START, None)
    assert halted.id.startswith("halt_")


async def test_the_audit_trail_tells_who_halted_from_where(halting: Halting, vault: Vault) -> None:
    await halting.halt(ACME, ALICE)
    row = (await vault.trail.records())[-1]
    assert (row.command, row.actor, row.origin, row.why) == ("halt", "alice", "cli host", "runaway bot")


async def test_two_halts_over_one_account_are_lifted_one_by_one(halting: Halting) -> None:
    first, second = await halting.halt(ACME, ALICE), await halting.halt(ACME, ALICE)
    [lifted] = await halting.lift([first.id], ALICE)
    assert (lifted.id, lifted.lifted_at) == (first.id, START)
    assert await halting.halts() == (second,)
    assert {each.id for each in await halting.halts(lifted=True)} == {first.id, second.id}


async def test_lifting_by_what_it_is_over_lifts_every_such_halt_and_no_other(halting: Halting) -> None:
    await halting.halt(ACME, ALICE)
    await halting.halt(ACME, ALICE)
    everything = await halting.halt(ALL, ALICE)
    await halting.halt(HaltOrder(kind=HaltKind.SERVICE, name="acme"), ALICE)
    assert len(await halting.lift_over(HaltKind.ACCOUNT, "acme", ALICE)) == 2
    assert await halting.lift_over(HaltKind.ALL, "", ALICE)
    assert [each.kind for each in await halting.halts()] == [HaltKind.SERVICE]
    with pytest.raises(KeyringError, match="nothing is halted there \\(everything\\)"):
        await halting.lift_over(HaltKind.ALL, everything.name, ALICE)


async def test_an_unknown_or_lifted_id_lifts_none_of_those_named(halting: Halting) -> None:
    halted, other = await halting.halt(ACME, ALICE), await halting.halt(ALL, ALICE)
    await halting.lift([other.id], ALICE)
    for unknown in ("halt_nobody", other.id):
        with pytest.raises(KeyringError, match=f"no halt {unknown} is in force"):
            await halting.lift([halted.id, unknown], ALICE)
    assert await halting.halts() == (halted,)


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (HaltOrder(kind=HaltKind.ACCOUNT, name="acmee"), "account acmee has no key"),
        (HaltOrder(kind=HaltKind.KEY, name="k2"), "there is no key k2"),
        (HaltOrder(kind=HaltKind.SERVICE), "say which service"),
        (HaltOrder(kind=HaltKind.SERVICE, name="a\nb"), "say which service"),
        (HaltOrder(kind=HaltKind.SERVICE, name="a" * 129), "say which service"),
        (HaltOrder(kind=HaltKind.ALL, name="acme"), "a halt of everything has no name"),
    ],
)
async def test_a_halt_that_would_stop_nobody_is_refused(halting: Halting, order: HaltOrder, sentence: str) -> None:
    with pytest.raises(KeyringError, match=sentence):
        await halting.halt(order, ALICE)
    assert await halting.halts() == ()


async def test_nothing_is_halted_or_lifted_without_a_reason(halting: Halting) -> None:
    halted = await halting.halt(ACME, ALICE)
    silent = By("alice", " ")
    for attempt in (
        halting.halt(ALL, silent),
        halting.lift([halted.id], silent),
        halting.lift_over(HaltKind.ACCOUNT, "acme", silent),
    ):
        with pytest.raises(KeyringError, match="say why"):
            await attempt
    assert await halting.halts() == (halted,)


async def test_a_halt_is_in_force_when_every_node_follows_its_revision(halting: Halting) -> None:
    halted = await halting.halt(ACME, ALICE)
    assert await halting.in_force(halted.revision) == InForce(nodes=0, after_ms=0)


def test_what_a_halt_is_over_is_said_in_words() -> None:
    assert over(HaltKind.ALL, "") == "everything"
    assert over(HaltKind.ACCOUNT, "acme") == "account acme"
