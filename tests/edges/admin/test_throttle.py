"""Budgets are kept apart, and a spent one says how long."""

import pytest

from guard.edges.admin.problems import Refused
from guard.edges.admin.throttle import Throttle


def test_a_spent_budget_says_how_long_to_wait() -> None:
    throttle = Throttle(calls=2)
    throttle.call("token", "a")
    throttle.call("token", "a")
    with pytest.raises(Refused) as raised:
        throttle.call("token", "a")
    assert raised.value.code == "admin.throttled"
    [(name, value)] = raised.value.fields
    assert name == b"retry-after"
    assert 1 <= int(value) <= 60


def test_budgets_of_others_and_of_other_kinds_are_untouched() -> None:
    throttle = Throttle(calls=1, failures=1)
    throttle.call("token", "a")
    throttle.call("token", "b")
    throttle.call("address", "a")
    throttle.refuse_after_failures("a")
    throttle.failed("a")
    throttle.refuse_after_failures("b")
    with pytest.raises(Refused):
        throttle.refuse_after_failures("a")


def test_records_are_one_an_hour_of_an_address_and_bounded_in_all() -> None:
    throttle = Throttle(records=2)
    assert [throttle.may_record(address) for address in ("a", "a", "b", "c")] == [True, False, True, False]
