"""What counts as a number that an answer tells, and what tells nothing."""

import pytest

from guard.core.telling import TOLD_MAX, number_told, numbers_told

_FILLS = b"guard-fills"


@pytest.mark.parametrize(("value", "number"), [(b"0", 0), (b"7", 7), (b"999999999999999", 999_999_999_999_999)])
def test_one_whole_number_is_told_in_any_spelling_of_its_field(value: bytes, number: int) -> None:
    assert number_told(_FILLS, ((b"x", b"1"), (b"Guard-Fills", value))) == number


@pytest.mark.parametrize("value", [b"-1", b"", b"1.5", b"1 ", b"+1", b"0x1", b"1,2", b"9" * 16, b"nan", b"01"])
def test_what_is_no_whole_number_tells_nothing(value: bytes) -> None:
    assert number_told(_FILLS, ((_FILLS, value),)) is None


def test_what_is_said_twice_or_not_at_all_tells_nothing() -> None:
    assert number_told(_FILLS, ()) is None
    assert number_told(_FILLS, ((_FILLS, b"1"), (_FILLS, b"1"))) is None


def test_of_several_fields_those_are_told_that_tell_a_number_and_none_without_end() -> None:
    answer = ((_FILLS, b"9" * 15), (b"other", b"none"))
    assert numbers_told((_FILLS, b"other"), answer) == {_FILLS: TOLD_MAX}
    assert numbers_told((b"other",), answer) is None
