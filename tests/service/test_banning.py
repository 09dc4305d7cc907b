from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guard.model.abuse import Action, SubjectKind
from guard.model.bans import BanId
from guard.model.names import KeyId, UnixMs
from guard.service.banning import Banning, BanOrder, network_named
from guard.service.enforcement import InForce
from guard.service.key_orders import KeyringError
from guard.service.key_steps import By
from guard.state.sealing import SealingKey
from guard.state.vault import Vault
from tests.build import ban
from tests.service.ring import START, without_nodes
from tests.state.key_records import deed, record

ALICE = By("alice", "ticket 4711", "cli host")
_HOUR_MS = 3_600_000
ADDRESS = BanOrder(kind=SubjectKind.IP, name="203.0.113.7", for_ms=_HOUR_MS)


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    opened = await Vault.open(f"sqlite:///{tmp_path}/guard.db", SealingKey(bytes(32), Path("sealing.key")))
    await opened.keys.insert([record("k1"), record("k2", lineage=KeyId("k1"))], deed())
    yield opened
    await opened.close()


@pytest.fixture
def banning(vault: Vault) -> Banning:
    return Banning(vault, now=lambda: START, enforcement=without_nodes(vault))


async def test_a_ban_is_kept_with_who_how_long_by_whom_and_why(banning: Banning, vault: Vault) -> None:
    made = await banning.add(ADDRESS, ALICE)
    assert await banning.bans() == (made,)
    assert (made.kind, made.name, made.service, made.action, made.rule) == (
        *(SubjectKind.IP, "203.0.113.7", "", Action.BAN, None),
    )
    assert (made.since, made.until, made.actor, made.why) == (START, START + _HOUR_MS, "alice", "ticket 4711")
    told = (await vault.trail.records())[-1]
    assert (told.command, told.actor, told.why, told.subject.id) == ("ban", "alice", "ticket 4711", made.id)
    assert isinstance(await banning.in_force(made.revision), InForce)


async def test_an_operators_ban_stands_beside_that_of_a_policy_and_replaces_only_an_operators(
    banning: Banning, vault: Vault
) -> None:
    await vault.bans.write([ban(since=START, until=UnixMs(START + 1))], deed("ban"))
    await banning.add(ADDRESS, ALICE)
    await banning.add(BanOrder(kind=SubjectKind.IP, name="203.0.113.7", for_ms=2 * _HOUR_MS), ALICE)
    assert {each.until - START for each in await banning.bans()} == {1, 2 * _HOUR_MS}


async def test_a_key_is_banned_with_all_that_took_its_place(banning: Banning) -> None:
    made = await banning.add(BanOrder(kind=SubjectKind.KEY, name="k2", for_ms=_HOUR_MS), ALICE)
    assert made.name == "k1"


@pytest.mark.parametrize(
    "order",
    [
        BanOrder(kind=SubjectKind.KEY, name="nobodys", for_ms=_HOUR_MS),
        BanOrder(kind=SubjectKind.ACCOUNT, name="nobody", for_ms=_HOUR_MS),
        BanOrder(kind=SubjectKind.IP, name="example.com", for_ms=_HOUR_MS),
        BanOrder(kind=SubjectKind.IP, name="0.0.0.0/0", for_ms=_HOUR_MS),
        BanOrder(kind=SubjectKind.IP, name="2001::/15", for_ms=_HOUR_MS),
        BanOrder(kind=SubjectKind.IP, name="203.0.113.7", for_ms=999),
        BanOrder(kind=SubjectKind.IP, name="203.0.113.7", for_ms=367 * 86_400_000),
        BanOrder(kind=SubjectKind.IP, name="203.0.113.7", for_ms=_HOUR_MS, action=Action.SLOW),
    ],
)
async def test_who_is_nobody_or_half_the_world_and_times_without_end_are_refused(
    banning: Banning, order: BanOrder
) -> None:
    with pytest.raises(KeyringError):
        await banning.add(order, ALICE)
    assert await banning.bans() == ()


async def test_bans_are_lifted_all_or_none_and_stay_in_the_list_of_those(banning: Banning) -> None:
    made = await banning.add(ADDRESS, ALICE)
    with pytest.raises(KeyringError):
        await banning.lift([made.id, "ban_nobodys"], ALICE)
    assert await banning.bans() == (made,)
    [lifted] = await banning.lift([made.id], ALICE)
    assert lifted.lifted_at == START
    assert (await banning.bans(), await banning.bans(ended=True)) == ((), (lifted,))
    with pytest.raises(KeyringError):
        await banning.lift([made.id], ALICE)


async def test_a_ban_is_extended_from_now_on(banning: Banning) -> None:
    made = await banning.add(ADDRESS, ALICE)
    longer = await banning.extend(made.id, 5 * _HOUR_MS, ALICE)
    assert (longer.id, longer.since, longer.until) == (made.id, START, START + 5 * _HOUR_MS)
    with pytest.raises(KeyringError):
        await banning.extend(made.id, 0, ALICE)


async def test_one_is_found_by_its_id_and_nobodys_is_not(banning: Banning) -> None:
    made = await banning.add(ADDRESS, ALICE)
    assert await banning.find(made.id) == made
    with pytest.raises(KeyringError):
        await banning.find(BanId("ban_nobodys"))


async def test_nothing_is_done_without_a_reason(banning: Banning) -> None:
    made = await banning.add(ADDRESS, ALICE)
    for change in (banning.add(ADDRESS, By("alice")), banning.lift([made.id], By("alice"))):
        with pytest.raises(KeyringError):
            await change


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7/32", "203.0.113.7"),
        ("203.0.113.7/24", "203.0.113.0/24"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("2001:DB8::1/64", "2001:db8::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7/120", "203.0.113.0/24"),
    ],
)
def test_addresses_and_networks_are_named_as_bans_are_looked_up(text: str, name: str) -> None:
    assert network_named(text) == name


async def test_an_address_of_one_interface_is_nobodys(banning: Banning) -> None:
    with pytest.raises(KeyringError):
        await banning.add(BanOrder(kind=SubjectKind.IP, name="fe80::1%eth0", for_ms=_HOUR_MS), ALICE)
    assert await banning.bans() == ()
