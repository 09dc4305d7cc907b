"""Exactly the defence that is meant is taken out."""

import pytest

from tests.faults.knocking import Defence, knocked_out

_DEFENCE = Defence("storm", "charge.lua", "if seen then", "if false then")


def test_the_words_are_replaced() -> None:
    assert knocked_out("if seen then return end", _DEFENCE) == "if false then return end"


@pytest.mark.parametrize("source", ["", "if seen then if seen then"])
def test_words_that_are_not_there_or_there_twice_are_told(source: str) -> None:
    with pytest.raises(ValueError, match=r"charge.lua has 'if seen then' [02] times"):
        knocked_out(source, _DEFENCE)
