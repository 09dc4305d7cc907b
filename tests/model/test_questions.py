"""What remains, and what of it is for whoever asked."""

import pytest

from guard.model.questions import Charge, Debit, Reading
from tests.build import NOW, limit


@pytest.mark.parametrize(("remaining", "spare", "usable"), [(9, 0, 9), (9, 4, 5), (4, 4, 0), (3, 4, 0), (0, 0, 0)])
def test_what_is_kept_for_others_is_not_usable(remaining: int, spare: int, usable: int) -> None:
    assert Reading(limit(), remaining, 0, 0, short=False, cost=1, spare=spare).usable == usable


def test_what_was_paid_beyond_a_cost_may_be_less_than_nothing() -> None:
    paid = Charge(id="a", now=NOW, debits=(Debit(("x",), limit(), 5), Debit(("y",), limit(), 1)))
    assert [debit.cost for debit in paid.overpaid((2, 4)).debits] == [3, -3]
