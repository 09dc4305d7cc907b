"""Scores in memory: the contract, and what holds for one process alone."""

import pytest

from guard.state.protocols import ScoreStore
from guard.state.scores import MemoryScores
from tests.contract.score_store import ScoreStoreContract, one, points, sighting


class TestMemoryScores(ScoreStoreContract):
    @pytest.fixture
    def scores(self) -> ScoreStore:
        return MemoryScores()


def _from(last: int) -> tuple[str, ...]:
    return (f"192.0.2.{last}", "192.0.2.0/24", "192.0.0.0/16", "192.0.0.0/8")


async def test_who_is_new_to_a_full_table_is_counted_with_its_neighbours_and_nobody_not_at_all() -> None:
    scores = MemoryScores(addresses_max=4)
    names = []
    for last in range(10):
        raised = await one(scores, sighting(None, *_from(last)))
        assert raised is not None
        names.append((raised.name, raised.points))
    assert names[3:] == [("192.0.2.3", 20), *(("192.0.2.0/24", 20 * count) for count in range(1, 7))]


async def test_the_widest_networks_always_have_room() -> None:
    scores = MemoryScores(addresses_max=0)
    for first in range(1, 200):
        raised = await one(scores, sighting(None, f"{first}.0.0.1", f"{first}.0.0.0/8"))
        assert raised is not None
        assert raised.name == f"{first}.0.0.0/8"


async def test_who_was_known_before_the_table_was_full_keeps_its_own_entry() -> None:
    scores = MemoryScores(addresses_max=1)
    await points(scores, sighting(None, *_from(1)))
    await points(scores, sighting(None, *_from(2)))
    assert await points(scores, sighting(None, *_from(1))) == 40


async def test_what_has_decayed_makes_room() -> None:
    scores = MemoryScores(addresses_max=1)
    await points(scores, sighting(None, *_from(1)))
    raised = await one(scores, sighting(None, *_from(2)), 14 * 64_000)
    assert raised is not None
    assert raised.name == "192.0.2.2"
    assert scores.tracked == 1
