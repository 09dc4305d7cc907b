"""Where a resource stands, read from YAML."""

import pytest

from guard.model.resources import ANY, InBody, InItems, InPath, InQuery, Place
from guard.policy.names import NameFault
from guard.policy.places import UNPLACED, places


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("any", ANY),
        ({"query": "symbol"}, (InQuery("symbol"),)),
        ({"field": "/a~1b/c"}, (InBody(("a/b", "c")),)),
        ({"path": "symbol"}, (InPath("symbol", UNPLACED),)),
        ({"items": "", "field": "/symbol"}, (InItems((), ("symbol",)),)),
        ([{"query": "symbol"}, {"field": "/symbol"}], (InQuery("symbol"), InBody(("symbol",)))),
    ],
)
def test_places(written: object, read: tuple[Place, ...]) -> None:
    assert places(written) == read


@pytest.mark.parametrize(
    ("written", "code", "message"),
    [
        ("all", "P103", "is not a place of a resource"),
        (None, "P103", "is not a place of a resource"),
        (["any"], "P103", "is not a place of a resource"),
        ([], "P107", "must have 1 to 8 entries"),
        ([{"query": "a"}] * 9, "P107", "must have 1 to 8 entries"),
        ({"header": "X-Symbol"}, "P101", "unknown field `header`"),
        ({}, "P110", "a place is told in one way"),
        ({"query": "a", "path": "b"}, "P110", "a place is told in one way"),
        ({"items": "/orders"}, "P105", "the field `field` is missing"),
        ({"field": ""}, "P106", "the whole document is no value of a resource"),
        ({"query": "a b"}, "P106", "is not a parameter's name"),
        ({"query": 7}, "P103", "is not text"),
        ({"field": "symbol"}, "P106", "is not a JSON Pointer"),
    ],
)
def test_what_is_no_place(written: object, code: str, message: str) -> None:
    with pytest.raises(NameFault) as fault:
        places(written)
    assert (fault.value.code, fault.value.message) == (code, message)
