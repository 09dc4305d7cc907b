"""What remains, and what of it is for whoever asked."""

import pytest

from guard.model.questions import Reading
from tests.build import limit


@pytest.mark.parametrize(("remaining", "spare", "usable"), [(9, 0, 9), (9, 4, 5), (4, 4, 0), (3, 4, 0), (0, 0, 0)])
def test_what_is_kept_for_others_is_not_usable(remaining: int, spare: int, usable: int) -> None:
    assert Reading(limit(), remaining, 0, 0, short=False, cost=1, spare=spare).usable == usable
