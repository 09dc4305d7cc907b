"""What other clocks say of ours, in bounds that are certain."""

import pytest

from guard.core.clocks import Ahead, agrees, ahead, is_sure
from guard.model.names import UnixMs


def test_bounds_are_those_of_a_reading_between_question_and_answer() -> None:
    reading = ahead(UnixMs(1_000_000), UnixMs(1_000_100), UnixMs(1_000_300))
    assert (reading.least_ms, reading.most_ms, reading.about_ms) == (-100, 200, 50)


@pytest.mark.parametrize(
    ("least_ms", "most_ms", "verdict"),
    [
        (-10, 10, True),
        (-1000, 1000, True),
        (1001, 1500, False),
        (-1500, -1001, False),
        (1000, 1500, None),
        (-1001, 0, None),
        (-5000, 5000, None),
    ],
)
def test_only_what_is_certain_counts(least_ms: int, most_ms: int, verdict: bool | None) -> None:  # noqa: FBT001
    assert agrees(Ahead(least_ms, most_ms), 1000) is verdict


@pytest.mark.parametrize(
    ("shared", "own", "sure"),
    [
        ((), True, True),
        ((), False, False),
        ((True,), True, True),
        ((True,), False, True),
        ((False,), True, False),
        ((True, False), True, True),
        ((True, False), False, False),
        ((False, False), True, False),
        ((True, True), False, True),
    ],
)
def test_two_that_disagree_outvote_this_one_and_so_does_the_only_shared_one(
    shared: tuple[bool, ...],
    own: bool,  # noqa: FBT001
    sure: bool,  # noqa: FBT001
) -> None:
    assert is_sure(shared, own) is sure
