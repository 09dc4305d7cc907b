import pytest
from sqlalchemy import text

from guard.model.names import UnixMs
from guard.model.nodes import Node
from guard.state.nodes import NotAloneError
from guard.state.vault import Vault

NOW = UnixMs(1_800_000_000_000)


def node(name: str, **changes: object) -> Node:
    fields: dict[str, object] = {
        "host": "host",
        "listen": "127.0.0.1:8080",
        "pid": 4711,
        "version": "1.0",
        "lease_ms": 900,
        "alone": False,
        "started_at": NOW,
    }
    return Node(id=name, **{**fields, **changes})  # type: ignore[arg-type]


async def silent(vault: Vault, name: str, ms: int) -> None:
    """Let time pass since a node was seen."""
    async with vault.database.writing() as connection:
        await connection.execute(text(f"update nodes set seen_at = seen_at - {ms} where id = '{name}'"))  # noqa: S608


async def test_node_is_seen_from_entering_to_leaving_with_what_it_has_acknowledged(vault: Vault) -> None:
    await vault.nodes.enter(node("n1"), NOW)
    [entered] = await vault.nodes.all(NOW)
    assert (entered.node, entered.revision, entered.clock_offset_ms) == (node("n1"), 0, None)
    await vault.nodes.acknowledge(node("n1"), 7, NOW, -12)
    [said] = await vault.nodes.all(NOW)
    assert (said.revision, said.clock_offset_ms) == (7, -12)
    await vault.nodes.leave(node("n1"))
    assert await vault.nodes.all(NOW) == ()


async def test_acknowledgement_that_arrives_late_takes_nothing_back(vault: Vault) -> None:
    await vault.nodes.enter(node("n1"), NOW)
    for revision in (9, 7):
        await vault.nodes.acknowledge(node("n1"), revision, NOW)
    assert [status.revision for status in await vault.nodes.all(NOW)] == [9]


async def test_silence_is_told_and_ends_with_the_next_word(vault: Vault) -> None:
    await vault.nodes.enter(node("n1"), NOW)
    await silent(vault, "n1", 5000)
    [status] = await vault.nodes.all(NOW)
    assert 5000 <= status.silent_ms < 15_000
    await vault.nodes.acknowledge(node("n1"), 0, NOW)
    [status] = await vault.nodes.all(NOW)
    assert status.silent_ms < 5000


async def test_node_of_many_enters_beside_another(vault: Vault) -> None:
    await vault.nodes.enter(node("n1"), NOW)
    await vault.nodes.enter(node("n2", started_at=NOW + 1), NOW)
    assert [status.node.id for status in await vault.nodes.all(NOW)] == ["n1", "n2"]


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True), (True, True)])
async def test_node_whose_nonces_are_its_own_serves_alone(vault: Vault, first: bool, second: bool) -> None:  # noqa: FBT001
    await vault.nodes.enter(node("n1", alone=first), NOW)
    with pytest.raises(NotAloneError, match=r"pid 4711 on host.*GUARD_STATE_URL"):
        await vault.nodes.enter(node("n2", alone=second), NOW)
    assert len(await vault.nodes.all(NOW)) == 1


async def test_node_that_ended_without_a_word_is_in_nobodys_way(vault: Vault) -> None:
    await vault.nodes.enter(node("n1", alone=True), NOW)
    await silent(vault, "n1", 5000)
    await vault.nodes.enter(node("n2", alone=True), NOW)
    assert len(await vault.nodes.all(NOW)) == 2


async def test_node_that_was_silent_for_a_day_is_forgotten_and_may_come_back(vault: Vault) -> None:
    await vault.nodes.enter(node("n1"), NOW)
    await silent(vault, "n1", 25 * 3600 * 1000)
    await vault.nodes.enter(node("n2"), NOW)
    assert [status.node.id for status in await vault.nodes.all(NOW)] == ["n2"]
    await vault.nodes.acknowledge(node("n1"), 3, NOW)
    assert {status.node.id for status in await vault.nodes.all(NOW)} == {"n1", "n2"}
