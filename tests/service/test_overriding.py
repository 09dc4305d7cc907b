import hashlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import structs

from guard.model.names import UnixMs
from guard.model.overrides import Override
from guard.model.rules import Mode
from guard.service.enforcement import InForce
from guard.service.key_orders import KeyringError
from guard.service.key_steps import By
from guard.service.overriding import OVERRIDES_MAX, OverrideOrder, Overriding
from guard.state.sealing import SealingKey
from guard.state.vault import Vault
from tests.build import limit, policies, route, service
from tests.service.ring import START, without_nodes

ALICE = By("alice", "INC-42", "cli host")
HOUR_MS = 3_600_000
ORDER = OverrideOrder(rule="limits.weight", mode=Mode.SHADOW, for_ms=HOUR_MS)
_POLICIES = policies(
    service(route(limits_principal=(limit("weight"),)), name="exchange"),
    service(route(limits_principal=(limit("orders"),)), name="spot"),
)


class _Desk(Overriding):
    def __init__(self, vault: Vault) -> None:
        self.at, self.found = START, _POLICIES
        numbers = itertools.count()

        def random(length: int) -> bytes:
            return hashlib.shake_128(b"%d" % next(numbers)).digest(length)

        super().__init__(
            vault, lambda: self.found, now=lambda: self.at, random=random, enforcement=without_nodes(vault)
        )


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    opened = await Vault.open(f"sqlite:///{tmp_path}/guard.db", SealingKey(bytes(32), Path("sealing.key")))
    yield opened
    await opened.close()


@pytest.fixture
def desk(vault: Vault) -> _Desk:
    return _Desk(vault)


def order(**changes: object) -> OverrideOrder:
    return OverrideOrder(**{"rule": "limits.weight", "mode": Mode.SHADOW, "for_ms": HOUR_MS, **changes})  # type: ignore[arg-type]


async def test_an_override_is_kept_with_its_end_who_and_why(desk: _Desk, vault: Vault) -> None:
    made = await desk.override(order(service="exchange"), ALICE)
    assert await desk.overrides() == (made,)
    assert (made.service, made.rule, made.mode) == ("exchange", "limits.weight", Mode.SHADOW)
    assert (made.since, made.until, made.actor, made.why) == (START, START + HOUR_MS, "alice", "INC-42")
    assert made.id.startswith("mode_")
    row = (await vault.trail.records())[-1]
    assert (row.command, row.actor, row.origin, row.why) == ("override", "alice", "cli host", "INC-42")


async def test_it_is_over_by_itself_and_then_listed_only_if_asked_for(desk: _Desk) -> None:
    made = await desk.override(ORDER, ALICE)
    desk.at = UnixMs(START + HOUR_MS)
    assert (await desk.overrides(), await desk.overrides(ended=True)) == ((), (made,))
    with pytest.raises(KeyringError, match=f"no override {made.id} is in force"):
        await desk.lift([made.id], ALICE)


async def test_a_second_one_over_the_same_rule_takes_the_place_of_the_first(desk: _Desk) -> None:
    await desk.override(ORDER, ALICE)
    second = await desk.override(order(mode=Mode.OFF), ALICE)
    assert await desk.overrides() == (second,)


async def test_all_those_named_are_lifted_or_none(desk: _Desk) -> None:
    first, second = await desk.override(ORDER, ALICE), await desk.override(order(rule="limits"), ALICE)
    with pytest.raises(KeyringError, match="no override mode_x is in force: `guard mode list`"):
        await desk.lift([first.id, "mode_x"], ALICE)
    assert len(await desk.overrides()) == 2
    lifted = await desk.lift([first.id, second.id], ALICE)
    assert {each.lifted_at for each in lifted} == {START}
    assert await desk.overrides() == ()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"rule": "auth"}, "auth cannot be overridden: only its policy, in writing"),
        ({"rule": "auth.stale"}, "auth cannot be overridden"),
        ({"rule": "limits.weigth"}, "no rule limits.weigth; there are: limits, limits.orders, limits.weight"),
        ({"rule": "client_ip"}, "no rule client_ip; there are: limits, limits.orders, limits.weight"),
        ({"service": "spot"}, "no rule limits.weight; there are: limits, limits.orders"),
        ({"service": "sport"}, "no service sport; there are: exchange, spot"),
        ({"for_ms": 7 * 86_400_000 + 1}, "from a second to 7 days"),
        ({"for_ms": 999}, "from a second to 7 days"),
    ],
)
async def test_what_is_unknown_unwise_or_too_long_is_refused(
    desk: _Desk, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(KeyringError, match=sentence):
        await desk.override(order(**changes), ALICE)
    assert await desk.overrides(ended=True) == ()


async def test_the_longest_is_seven_days(desk: _Desk) -> None:
    made = await desk.override(order(for_ms=7 * 86_400_000), ALICE)
    assert made.until == START + 604_800_000


async def test_nothing_is_overridden_or_lifted_without_a_reason(desk: _Desk) -> None:
    made = await desk.override(ORDER, ALICE)
    for attempt in (desk.override(ORDER, By("alice", " ")), desk.lift([made.id], By("alice", ""))):
        with pytest.raises(KeyringError, match="say why"):
            await attempt


async def test_of_more_than_can_be_overlooked_the_next_is_refused(desk: _Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert OVERRIDES_MAX == 100
    monkeypatch.setattr("guard.service.overriding.OVERRIDES_MAX", 1)
    await desk.override(ORDER, ALICE)
    with pytest.raises(KeyringError, match="1 are in force"):
        await desk.override(order(rule="limits"), ALICE)


async def test_the_gateway_puts_a_rule_back_once_and_never_over_what_lowers_it_already(desk: _Desk) -> None:
    back = order(service="exchange")
    [first] = await desk.put_back(back, ALICE)
    assert await desk.put_back(back, ALICE) == ()
    await desk.lift([first.id], ALICE)
    lowered = await desk.override(order(mode=Mode.OFF), ALICE)
    assert await desk.put_back(back, ALICE) == ()
    assert await desk.overrides() == (lowered,)


async def test_the_gateway_puts_a_rule_back_that_is_raised_or_lowered_elsewhere(desk: _Desk) -> None:
    await desk.override(order(mode=Mode.ENFORCE), ALICE)
    await desk.override(order(rule="limits.orders", service="spot"), ALICE)
    [back] = await desk.put_back(order(service="exchange"), ALICE)
    found: tuple[Override, ...] = await desk.overrides()
    assert back in found
    assert len(found) == 3


async def test_an_override_is_in_force_when_every_node_follows_its_revision(desk: _Desk) -> None:
    made = await desk.override(ORDER, ALICE)
    assert await desk.in_force(made.revision) == InForce(nodes=0, after_ms=0)


async def test_where_changes_need_a_second_person_nobody_weakens_policies_by_an_override(desk: _Desk) -> None:
    shadowed = service(route(limits_principal=(limit("weight", mode=Mode.SHADOW), limit("key"))))
    desk.found = structs.replace(policies(shadowed), changes_by_two=True)
    for lowered in (order(rule="limits.key"), order(mode=Mode.OFF), order(rule="limits", mode=Mode.OFF)):
        with pytest.raises(KeyringError, match="this weakens policies whose changes need a second person"):
            await desk.override(lowered, ALICE)
    raised = await desk.override(order(mode=Mode.ENFORCE), ALICE)
    assert await desk.overrides() == (raised,)
    assert len(await desk.put_back(order(service="exchange"), ALICE)) == 1


async def test_no_override_hides_behind_another_or_waits_for_a_reload_to_weaken_policies(desk: _Desk) -> None:
    shadowed = service(route(limits_principal=(limit("weight", mode=Mode.SHADOW), limit("key"))), name="exchange")
    desk.found = structs.replace(policies(shadowed), changes_by_two=True)
    raised = [
        await desk.override(order(rule="limits.key", mode=Mode.ENFORCE, for_ms=1000), ALICE),
        await desk.override(order(service="exchange", mode=Mode.ENFORCE, for_ms=1000), ALICE),
    ]
    lowered = (
        order(rule="limits", mode=Mode.OFF),  # what the first one raises for a second longer
        order(mode=Mode.OFF),  # behind that of one service
        order(mode=Mode.SHADOW),  # it would undo a later promotion
    )
    for each in lowered:
        with pytest.raises(KeyringError, match="this weakens policies whose changes need a second person"):
            await desk.override(each, ALICE)
    assert list(await desk.overrides()) == raised
