"""Exactly the defence that is meant is taken out."""

import pytest

from tests.faults.defences import DEFENCES
from tests.faults.knocking import Defence, knocked_out
from tests.faults.node import ROOT

_DEFENCE = Defence("storm", "charge.lua", "if seen then", "if false then")


def test_the_words_are_replaced() -> None:
    assert knocked_out("if seen then return end", _DEFENCE) == "if false then return end"


@pytest.mark.parametrize("source", ["", "if seen then if seen then"])
def test_words_that_are_not_there_or_there_twice_are_told(source: str) -> None:
    with pytest.raises(ValueError, match=r"charge.lua has 'if seen then' [02] times"):
        knocked_out(source, _DEFENCE)


@pytest.mark.parametrize("defence", DEFENCES, ids=lambda defence: f"{defence.run} {defence.words}")
def test_every_defence_is_there(defence: Defence) -> None:
    source = (ROOT / defence.file).read_text()
    assert knocked_out(source, defence) != source
