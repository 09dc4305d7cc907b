import asyncio

import pytest

from guard.model.names import UnixMs
from guard.model.nodes import Node, NodeStatus
from guard.service.enforcement import PATIENCE_MS, Enforcement, InForce, NotKnown, Silent, force_view
from guard.state.faults import StateError


class Fleet:
    """Nodes, and a time that passes while one sleeps or asks."""

    def __init__(self, *nodes: NodeStatus) -> None:
        self.nodes = nodes
        self.ms = 0
        self.ms_a_question = 0
        self.acknowledges: dict[int, tuple[NodeStatus, ...]] = {}
        self.broken_from_ms: int | None = None
        self.heard: list[int] = []

    async def all(self) -> tuple[NodeStatus, ...]:
        self.ms += self.ms_a_question
        if self.broken_from_ms is not None and self.ms >= self.broken_from_ms:
            raise StateError("out of order")
        for at, nodes in self.acknowledges.items():
            if self.ms >= at:
                self.nodes = nodes
        return self.nodes

    async def sleep(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)

    def enforcement(self) -> Enforcement:
        return Enforcement(self.all, lambda: self.ms, self.sleep, on_in_force=self.heard.append)


def status(name: str, revision: int, *, lease_ms: int = 900, silent_ms: int = 0) -> NodeStatus:
    node = Node(
        id=name,
        host=name,
        listen="127.0.0.1:8080",
        pid=1,
        version="1",
        lease_ms=lease_ms,
        alone=False,
        started_at=UnixMs(0),
    )
    return NodeStatus(node=node, revision=revision, silent_ms=silent_ms, clock_offset_ms=None)


async def test_change_is_in_force_when_every_node_has_acknowledged_it() -> None:
    fleet = Fleet(status("a", 6), status("b", 7))
    fleet.acknowledges = {200: (status("a", 7), status("b", 8))}
    assert await fleet.enforcement().of(7) == InForce(nodes=2, after_ms=200)
    assert fleet.heard == [200]


async def test_node_that_does_not_answer_is_waited_for_until_its_lease_has_run_out() -> None:
    fleet = Fleet(status("a", 6), status("b", 7))
    force = await fleet.enforcement().of(7)
    assert force == InForce(nodes=2, after_ms=925, expired=("a:1",))


async def test_node_that_may_serve_longer_is_named_and_until_when() -> None:
    fleet = Fleet(status("a", 6, lease_ms=30_000), status("b", 6))
    force = await fleet.enforcement().of(7)
    assert force == NotKnown(nodes=2, after_ms=975, silent=(Silent(node="a:1", until_ms=30_000),))
    assert fleet.ms <= PATIENCE_MS
    assert fleet.heard == []


async def test_node_that_died_long_ago_is_not_waited_for() -> None:
    fleet = Fleet(status("a", 6, lease_ms=30_000, silent_ms=90_001), status("b", 7))
    assert await fleet.enforcement().of(7) == InForce(nodes=1, after_ms=0)


async def test_leases_run_out_also_while_the_database_is_away() -> None:
    fleet = Fleet(status("a", 6))
    fleet.broken_from_ms = 100
    assert await fleet.enforcement().of(7) == InForce(nodes=1, after_ms=925, expired=("a:1",))


async def test_database_that_tells_no_nodes_leaves_the_answer_open() -> None:
    fleet = Fleet()
    fleet.broken_from_ms = 0
    assert await fleet.enforcement().of(7) == NotKnown(nodes=0, after_ms=975, error="out of order")


async def test_database_that_hangs_is_not_waited_for_longer_than_a_second() -> None:
    clock = asyncio.get_running_loop()
    begun = clock.time()

    async def hang() -> tuple[NodeStatus, ...]:
        await asyncio.sleep(60)
        return ()

    enforcement = Enforcement(hang, lambda: round((clock.time() - begun) * 1000), asyncio.sleep)
    force = await enforcement.of(7)
    assert isinstance(force, NotKnown)
    assert force.error == "the key database did not answer in time"
    assert 990 <= force.after_ms < 1500


@pytest.mark.parametrize(("ms_a_question", "after_ms"), [(500, 1025), (100, 975)])
async def test_slow_database_makes_the_answer_later_and_no_less_sure(ms_a_question: int, after_ms: int) -> None:
    fleet = Fleet(status("a", 6))
    fleet.ms_a_question = ms_a_question
    assert await fleet.enforcement().of(7) == InForce(nodes=1, after_ms=after_ms, expired=("a:1",))


def test_programs_are_told_in_one_form_what_is_in_force_and_what_is_not_known() -> None:
    known = force_view(InForce(nodes=2, after_ms=140, expired=("a:1",)))
    assert (known.in_force, known.nodes, known.after_ms, known.expired, known.silent) == (True, 2, 140, ("a:1",), ())
    silent = (Silent(node="a:1", until_ms=900),)
    unknown = force_view(NotKnown(nodes=2, after_ms=975, silent=silent, error="no"))
    assert (unknown.in_force, unknown.silent, unknown.error, unknown.expired) == (False, silent, "no", ())
