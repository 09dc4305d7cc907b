"""How an answer is written."""

import pytest

from loadtests.crowd.intents import label


@pytest.mark.parametrize(
    ("status", "reason", "written"), [(200, None, "200"), (429, "limit.key", "429 limit.key"), (0, None, "0")]
)
def test_an_answer_is_its_status_and_the_reason_that_guard_gives(status: int, reason: str | None, written: str) -> None:
    assert label(status, reason) == written
