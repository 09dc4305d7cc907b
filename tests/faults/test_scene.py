"""The bench itself: what its clients, its nodes and its ledger do is what the runs rest on."""

from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest

from tests.faults.knocking import Defence, without
from tests.faults.scene import Fleet, fleet, policy
from tests.faults.traffic import NO_ANSWER, traffic

pytestmark = pytest.mark.system

_REPLAYED = Defence("any", "guard/state/nonces.py", "if seen is not None and not _may_repeat(once, seen):", "if False:")
_POLICY = policy(past="5s", future="500ms")


@pytest.fixture(scope="module")
def alone() -> Iterator[Fleet]:
    """One node of one process, on memory."""
    with fleet(_POLICY, nodes=1, workers=1) as made:
        yield made


def test_the_ledger_has_each_order_that_was_answered_200_once(alone: Fleet) -> None:
    with traffic(*(alone.orders(f"all{number}", clients=4, most=50) for number in range(2))) as sending:
        sending.go()
        sendings = sending.finish()
    assert Counter(each.status for each in sendings) == {200: 100}
    mine = {mark: times for mark, times in alone.ledger().times.items() if mark.startswith("all")}
    assert mine == dict.fromkeys((each.mark for each in sendings), 1)
    assert len(mine) == 100


def test_the_very_bytes_of_an_order_are_sent_again(alone: Fleet) -> None:
    twice = alone.orders("copied", clients=2, most=20, copied=1.0, replayed=1.0)
    with traffic(msgspec.structs.replace(twice, ports=twice.ports * 2)) as sending:
        sending.go()
        sendings = sending.finish()
    assert Counter(each.status for each in sendings) == {200: 20, 401: 40}
    assert {each.reason for each in sendings if each.status == 401} == {"auth.replayed"}


def test_clients_give_up_on_a_node_that_does_not_answer(alone: Fleet) -> None:
    (node,) = alone.nodes
    node.pause()
    with traffic(alone.orders("paused", clients=2, most=2, patience_s=0.2)) as sending:
        sending.go()
        sendings = sending.finish()
    node.resume()
    assert [(each.status, each.reason) for each in sendings] == [(NO_ANSWER, "TimeoutError")] * 2


def test_a_node_lives_by_a_clock_of_its_own() -> None:
    with (
        fleet(_POLICY, nodes=1, workers=1, clocks_ms=(7000,)) as ahead,
        traffic(ahead.orders("early", clients=1, most=1)) as sending,
    ):
        sending.go()
        (told,) = sending.finish()
        (decision,) = ahead.nodes[0].decisions()
    assert (told.status, told.reason) == (401, "auth.stale")
    assert 6900 < decision["skew_ms"] < 8000


def test_a_node_whose_program_lacks_a_condition_does_without() -> None:
    with (
        without(_REPLAYED) as tree,
        fleet(_POLICY, nodes=1, workers=1, tree=tree) as broken,
        traffic(broken.orders("broken", clients=1, most=5, replayed=1.0)) as sending,
    ):
        sending.go()
        sendings = sending.finish()
        assert broken.ledger().more_than_once
    assert {each.status for each in sendings} == {200}
