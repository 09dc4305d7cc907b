"""Honest traders beside one who floods."""

from unittest import mock

import pytest

from loadtests.crowd.shapes import halves
from tests.loadtests.locustfile import imported, user

ALONE, BESIDE = (stage.name for stage in halves(1, 1000))


@pytest.mark.parametrize(("stage", "name"), [(ALONE, "order, alone"), (BESIDE, "order, beside a flood")])
def test_the_victims_are_counted_apart_for_the_two_halves(stage: str, name: str) -> None:
    with (
        user("noisy_neighbour", "Victim") as (victim, _, tally),
        mock.patch.object(imported("scenarios.noisy_neighbour"), "stage_name", return_value=stage),
    ):
        victim.order()
    assert list(tally.names) == [name]
    assert tally.names[name].legit


@pytest.mark.parametrize(("stage", "floods"), [(ALONE, 0), (BESIDE, 1)])
def test_the_neighbour_floods_in_the_second_half_and_owes_nothing_for_the_first(stage: str, floods: int) -> None:
    with (
        user("noisy_neighbour", "Neighbour") as (neighbour, client, tally),
        mock.patch.object(imported("scenarios.noisy_neighbour"), "stage_name", return_value=stage),
    ):
        neighbour.flood()
        neighbour.wait_time()
        neighbour.on_stop()
    assert len(client.sent) == tally.offered == tally.begun == floods
    assert neighbour.key.id.startswith("k_neighbour_")
