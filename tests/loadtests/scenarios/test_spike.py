"""Ten times as many traders at once."""

from unittest import mock

import pytest

from loadtests.crowd.shapes import spike
from tests.loadtests.locustfile import imported, user


@pytest.mark.parametrize("stage", [stage.name for stage in spike(1, 1000)])
def test_orders_of_each_stage_are_counted_apart_and_a_denial_of_any_is_one_too_many(stage: str) -> None:
    with (
        user("spike", "OrdinaryTrader") as (trader, _, tally),
        mock.patch.object(imported("scenarios.spike"), "stage_name", return_value=stage),
    ):
        trader.order()
        trader.cancel()
    assert list(tally.names) == [f"order {stage} the spike", "cancel"]
    assert [(name.legit, name.cancels) for name in tally.names.values()] == [(True, False), (True, True)]
