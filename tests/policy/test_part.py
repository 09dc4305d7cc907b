"""A part takes what it knows, as it is, and keeps it."""

import pytest
from pydantic import ValidationError

from guard.policy.part import Part, many


class _Sample(Part):
    count: int = 1
    names: tuple[str, ...] = many("Names.")


def test_a_list_becomes_a_tuple_and_an_empty_one_is_an_error() -> None:
    assert _Sample.model_validate({"names": ["a"]}).names == ("a",)
    with pytest.raises(ValidationError, match="at least 1"):
        _Sample.model_validate({"names": []})


@pytest.mark.parametrize("written", [{"counts": 2}, {"count": "2"}, {"count": None}, {"names": ["a"] * 201}])
def test_nothing_is_ignored_converted_or_null(written: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        _Sample.model_validate(written)


def test_what_was_read_stays_as_it_is_and_is_not_repeated_in_errors() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        _Sample().count = 2
    with pytest.raises(ValidationError) as error:
        _Sample.model_validate({"count": "hunter2"})
    assert "hunter2" not in str(error.value)
