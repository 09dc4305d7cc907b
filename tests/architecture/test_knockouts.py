"""What `make knockout` takes out."""

from tests.knockout import dead_marks, knockouts


def test_every_mark_is_one_that_can_be_knocked_out() -> None:
    assert dead_marks() == []


def test_no_two_knockouts_have_one_name() -> None:
    names = [knockout.name for knockout in knockouts()]
    assert sorted({name for name in names if names.count(name) > 1}) == []
