"""The runs of `make faults`, each in small: the same code, sizes that take seconds, and no check that needs a quiet
machine. What they promise at full size stands in `tests/faults/`.
"""

from types import ModuleType

import pytest

from tests.faults import (
    aborts,
    database_loss,
    failover,
    flaps,
    one_bucket,
    one_nonce,
    replays,
    revocation,
    run,
    state_loss,
    storm,
)

pytestmark = [pytest.mark.system, pytest.mark.alone]


_STORMS = 2


def _broken(which: ModuleType, seed: int = 0) -> list[str]:
    return run.one(which, seed, small=True).broken


@pytest.mark.parametrize("seed", range(_STORMS))
def test_in_any_storm_each_order_is_executed_at_most_once_and_no_more_than_its_bucket_holds(seed: int) -> None:
    assert _broken(storm, seed) == []


def test_the_same_nonce_at_all_workers_at_once_is_accepted_once() -> None:
    assert _broken(one_nonce) == []


def test_one_bucket_asked_by_four_processes_gives_out_exactly_what_it_has() -> None:
    assert _broken(one_bucket) == []


def test_an_order_is_executed_once_whatever_node_restart_or_clock_step_comes_between() -> None:
    assert _broken(replays) == []


def test_clients_that_go_away_while_redis_is_asked_get_and_leave_nobody_anothers_answer() -> None:
    assert _broken(aborts) == []


def test_a_redis_that_is_lost_costs_nobody_more_than_the_deadline_and_executes_nothing_twice() -> None:
    assert _broken(state_loss) == []


def test_no_order_that_was_executed_before_a_failover_is_executed_after_it() -> None:
    assert _broken(failover) == []


def test_a_database_that_is_lost_brings_no_revoked_key_back_and_makes_nobody_wait() -> None:
    assert _broken(database_loss) == []


def test_a_revoked_key_passes_nowhere_once_the_command_has_said_so() -> None:
    assert _broken(revocation) == []


def test_what_is_given_out_without_redis_is_bounded_over_all_processes_and_outages() -> None:
    assert _broken(flaps) == []
