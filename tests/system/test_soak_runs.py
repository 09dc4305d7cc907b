"""The runs of `make soak`, each in small: the same code, sizes that take seconds, and no check that needs a quiet
machine. What they promise at full size stands in `tests/soak/`.
"""

from types import ModuleType

import pytest

from tests.soak import (
    aborts,
    aborts_inside,
    big_upload,
    closing_backend,
    long_backtest,
    many_keys,
    not_sent,
    overload,
    policy_swaps,
    policy_swaps_nodes,
    slow_clients,
)

pytestmark = [pytest.mark.system, pytest.mark.alone]


def _broken(run: ModuleType) -> list[str]:
    broken: list[str] = run.run(run.SMALL, print).broken
    return broken


def test_slow_clients_are_dropped_in_time_and_harm_nobody() -> None:
    assert _broken(slow_clients) == []


def test_an_upload_without_end_is_refused_in_flat_memory() -> None:
    assert _broken(big_upload) == []


def test_what_is_told_not_to_be_sent_is_not_at_the_backend() -> None:
    assert _broken(not_sent) == []


def test_no_order_arrives_twice_at_a_backend_that_closes_idle_connections() -> None:
    assert _broken(closing_backend) == []


def test_too_many_requests_are_answered_200_or_503() -> None:
    assert _broken(overload) == []


def test_other_policies_each_moment_refuse_nobody_and_nobody_is_judged_by_half_of_two() -> None:
    assert _broken(policy_swaps) == []


def test_other_policies_each_moment_on_two_nodes_of_two_workers_judge_nobody_by_half_of_two() -> None:
    assert _broken(policy_swaps_nodes) == []


def test_a_gateway_with_many_keys_holds_little_memory_for_each() -> None:
    assert _broken(many_keys) == []


def test_a_backtest_judges_lines_as_they_come_and_keeps_none() -> None:
    assert _broken(long_backtest) == []


def test_clients_that_go_away_leave_no_socket_behind_and_get_no_answer_of_anothers() -> None:
    assert _broken(aborts) == []


def test_clients_that_go_away_leave_no_task_and_no_future_behind() -> None:
    assert _broken(aborts_inside) == []
