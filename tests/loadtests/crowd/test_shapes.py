"""How many users there are when."""

import pytest

from loadtests.crowd.shapes import Stage, halves, sentence, spike, stage_at, steady, users_max


def test_a_spike_is_ten_times_as_many_for_the_middle_of_the_run() -> None:
    assert spike(4, 10_000) == (Stage("before", 3_000, 4), Stage("in", 6_000, 40), Stage("after", 10_000, 4))
    assert users_max(spike(4, 10_000)) == 40


def test_steady_is_the_same_all_the_time() -> None:
    assert steady(7, 5_000) == (Stage("steady", 5_000, 7),)


def test_the_halves_have_the_same_users() -> None:
    assert halves(6, 9_000) == (Stage("alone", 4_500, 6), Stage("beside", 9_000, 6))


def test_a_sentence_is_as_long_as_the_offence_and_leaves_time_for_after_it() -> None:
    stages = (Stage("offence", 4_000, 6), Stage("quiet", 8_000, 6), Stage("released", 10_000, 6))
    assert sentence(6, 10_000) == stages


@pytest.mark.parametrize(
    ("elapsed_ms", "name"), [(0, "before"), (2_999, "before"), (3_000, "in"), (9_999, "after"), (10_000, None)]
)
def test_a_stage_ends_where_the_next_begins_and_the_last_one_with_the_run(elapsed_ms: int, name: str | None) -> None:
    stage = stage_at(spike(1, 10_000), elapsed_ms)
    assert (stage.name if stage else None) == name
