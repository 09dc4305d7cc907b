"""Places say what they are, for who reads a diff."""

import pytest

from guard.model.resources import InBody, InItems, InPath, InQuery, Place


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (InQuery("symbol"), "query symbol"),
        (InBody(("order", "symbol")), "field /order/symbol"),
        (InItems(("orders",), ("symbol",)), "items /orders field /symbol"),
        (InItems((), ("symbol",)), 'items "" field /symbol'),
        (InPath("symbol", 2), "path symbol"),
    ],
)
def test_a_place_says_what_it_is(place: Place, said: str) -> None:
    assert str(place) == said
