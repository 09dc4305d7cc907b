"""What a message is about, as far as it can be told in one way."""

import json
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.resources import outside
from guard.model.facts import Facts
from guard.model.resources import InBody, InItems, InPath, InQuery, Place
from tests.build import facts

ALLOWED = ("12", "BTC+X", "BTC-USD", "ÄTH")
QUERY, FIELD = InQuery("symbol"), InBody(("symbol",))
ITEMS, PATH = InItems(("orders",), ("symbol",)), InPath("symbol", 1)
JSON = (b"content-type", b"application/json")
FORM = (b"content-type", b"application/x-www-form-urlencoded")
OTHER = "it is about another value than the key is kept to"
SILENT = "it does not say which"


def said(
    *fields: tuple[bytes, bytes], body: bytes | None = b"", query: bytes | None = None, path: bytes = b"/"
) -> Facts:
    return facts(path=path, fields=fields or (JSON,), query=query, body=body)


def why(place: Place, message: Facts) -> str | None:
    return outside((place,), message, message.body, ALLOWED)


@pytest.mark.parametrize(
    "query",
    [
        *(b"symbol=BTC-USD", b"x=1&symbol=BTC-USD&y", b"symbol=%42TC-USD", b"symbol=BTC%2BX", b"symbol=%C3%84TH"),
        *(b"symbol=12", b"symbols=ETH-USD&symbol=BTC-USD"),
    ],
)
def test_a_parameter_with_an_allowed_value_is_inside(query: bytes) -> None:
    assert why(QUERY, said(query=query)) is None


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        (None, SILENT),
        (b"", SILENT),
        (b"symbols=BTC-USD", SILENT),
        (b"symbol", OTHER),
        (b"symbol=", OTHER),
        (b"symbol=ETH-USD", OTHER),
        (b"symbol=btc-usd", OTHER),
        (b"symbol=BTC-USD%20", OTHER),
        (b"symbol=BTC-USD%00", OTHER),
        (b"symbol=BTC-USD,ETH-USD", OTHER),
        (b"symbol=%2542TC-USD", OTHER),
        (b"symbol=012", OTHER),
        (b"symbol=A%CC%88TH", OTHER),
        (b"symbol=BTC+X", "a value is not plainly encoded"),
        (b"symbol=BTC-USD%", "a value is not plainly encoded"),
        (b"symbol=%4zTC-USD", "a value is not plainly encoded"),
        (b"symbol=%C4TH", "a value is not UTF-8"),
        (b"symbol=\xc3\x84TH", "a value is not plainly encoded"),
        (b"symbol=BTC-USD&symbol=BTC-USD", 'the parameter "symbol" of the query occurs twice'),
        (b"symbol=BTC-USD&Symbol=ETH-USD", 'the parameter "symbol" of the query occurs twice'),
        (b"symbol=BTC-USD&symbol[]=ETH-USD", 'the parameter "symbol" of the query occurs twice'),
        (b"symbol=BTC-USD&symbol%5B0%5D=ETH-USD", 'the parameter "symbol" of the query occurs twice'),
        (b"symbol=BTC-USD&+symbol=ETH-USD", 'the parameter "symbol" of the query occurs twice'),
        (b"symbol=BTC-USD&%C5%BFymbol=ETH-USD", 'the parameter "symbol" of the query occurs twice'),
        (b"x=1;symbol=BTC-USD", 'the parameter "symbol" of the query is spelled otherwise'),
        (b"symbol=BTC-USD;y", 'the parameter "symbol" of the query is spelled otherwise'),
        (b"%73ymbol=BTC-USD", 'the parameter "symbol" of the query is spelled otherwise'),
        (b"SYMBOL=BTC-USD", 'the parameter "symbol" of the query is spelled otherwise'),
    ],
)
def test_a_parameter_that_says_something_else_or_could_is_outside(query: bytes | None, fault: str) -> None:
    assert why(QUERY, said(query=query)) == fault
    if query:
        assert why(FIELD, said(FORM, body=query)) == fault.replace("the query", "the body")


@pytest.mark.parametrize("body", [b'{"symbol": "BTC-USD"}', b'{"symbol": "\\u0042TC-USD", "x": 1}', b'{"symbol": 12}'])
def test_a_member_with_an_allowed_value_is_inside(body: bytes) -> None:
    assert why(FIELD, said(body=body)) is None


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", SILENT),
        (b"{}", SILENT),
        (b"[]", SILENT),
        (b'{"order": {"symbol": "BTC-USD"}}', SILENT),
        (b'{"symbol": "ETH-USD"}', OTHER),
        (b'{"symbol": "BTC-USD\\u0000"}', OTHER),
        (b'{"symbol": "\\ud800"}', OTHER),
        (b'{"symbol": "012"}', OTHER),
        (b'{"symbol": 13}', OTHER),
        *((b'{"symbol": %s}' % text, "a value is neither a text nor a whole number") for text in (b"12.0", b"1.2e1")),
        *((b'{"symbol": %s}' % text, "a value is neither a text nor a whole number") for text in (b"null", b"true")),
        (b'{"symbol": ["BTC-USD"]}', "a value is neither a text nor a whole number"),
        (b'{"symbol": "BTC-USD", "symbol": "ETH-USD"}', "a name occurs twice in one object of the body"),
        (b'{"symbol": "BTC-USD", "Symbol": "ETH-USD"}', "a name of the body is spelled otherwise"),
        ('{"symbol": "BTC-USD", "\u017fymbol": "ETH-USD"}'.encode(), "a name of the body is spelled otherwise"),
        (b"{", "the body is not JSON"),
        (b"symbol=BTC-USD", "the body is not JSON"),
        (b'{"symbol": "\xff"}', "the body is not JSON"),
    ],
)
def test_a_member_that_says_something_else_or_could_is_outside(body: bytes, fault: str) -> None:
    assert why(FIELD, said(body=body)) == fault


@pytest.mark.parametrize(
    "fields",
    [
        ((b"content-type", b"text/plain"),),
        ((b"content-type", b"application/json; charset=utf-7"),),
        ((b"content-type", b"application/json; charset=utf-8; charset=utf-7"),),
        (JSON, JSON),
        (JSON, (b"content-encoding", b"gzip")),
        ((b"x", b"y"),),
    ],
)
def test_a_body_that_may_be_read_otherwise_is_outside_also_where_the_query_tells(
    fields: tuple[tuple[bytes, bytes], ...],
) -> None:
    message = said(*fields, query=b"symbol=BTC-USD", body=b'{"symbol": "BTC-USD"}')
    assert [why(place, message) for place in (FIELD, QUERY)] == ["its body is neither plain JSON nor a plain form"] * 2


@pytest.mark.parametrize("kind", [b"application/json;charset=UTF-8", b'Application/JSON; charset="utf-8"'])
def test_utf_8_may_be_said(kind: bytes) -> None:
    assert why(FIELD, said((b"content-type", kind), body=b'{"symbol": "BTC-USD"}')) is None


def test_a_body_that_is_not_at_hand_is_outside() -> None:
    assert why(QUERY, said(query=b"symbol=BTC-USD", body=None)) == "its body is not at hand"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (QUERY, said(FORM, query=b"symbol=BTC-USD", body=b"symbol=ETH-USD")),
        (QUERY, said(query=b"symbol=BTC-USD", body=b'{"symbol": "ETH-USD"}')),
        (FIELD, said(FORM, query=b"symbol=ETH-USD", body=b"symbol=BTC-USD")),
        (FIELD, said(query=b"symbol=ETH-USD", body=b'{"symbol": "BTC-USD"}')),
        (ITEMS, said(query=b"symbol=ETH-USD", body=b'{"orders": [{"symbol": "BTC-USD"}]}')),
        (ITEMS, said(body=b'{"symbol": "ETH-USD", "orders": [{"symbol": "BTC-USD"}]}')),
    ],
)
def test_the_same_name_in_another_part_counts_too(place: Place, message: Facts) -> None:
    assert why(place, message) == OTHER


def test_what_only_another_part_tells_is_not_told() -> None:
    assert why(QUERY, said(body=b'{"symbol": "BTC-USD"}')) == SILENT
    assert why(FIELD, said(query=b"symbol=BTC-USD")) == SILENT


def test_of_several_places_one_must_tell_it_and_all_that_do_count() -> None:
    def both(message: Facts) -> str | None:
        return outside((QUERY, FIELD), message, message.body, ALLOWED)

    assert both(said(query=b"symbol=BTC-USD")) is None
    assert both(said(body=b'{"symbol": "12"}')) is None
    assert both(said(body=b"{}")) == SILENT
    assert both(said(query=b"symbol=12", body=b'{"symbol": "13"}')) == OTHER


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b'{"orders": [{"symbol": "BTC-USD"}, {"symbol": 12}]}', None),
        (b'{"orders": [{"symbol": "BTC-USD"}, {"symbol": "ETH-USD"}]}', OTHER),
        (b'{"orders": [{"symbol": "BTC-USD"}, {}]}', "an item does not say which"),
        (b'{"orders": [{"symbol": "BTC-USD"}, "BTC-USD"]}', "an item does not say which"),
        (b'{"orders": [{"symbol": "BTC-USD"}, [["symbol"]]]}', "an item does not say which"),
        (b'{"orders": [{"symbol": "BTC-USD", "SYMBOL": "ETH-USD"}]}', "a name of the body is spelled otherwise"),
        (b'{"orders": [{"symbol": "BTC-USD"}], "Orders": []}', "a name of the body is spelled otherwise"),
        (b'{"orders": {"symbol": "BTC-USD"}}', "what should be a list of items is none"),
        (b'{"orders": []}', SILENT),
        (b"{}", SILENT),
    ],
)
def test_each_item_of_a_batch_must_name_an_allowed_value(body: bytes, fault: str | None) -> None:
    assert why(ITEMS, said(body=body)) == fault


def test_a_form_has_no_items_and_nothing_below_a_name() -> None:
    assert why(ITEMS, said(FORM, body=b"orders=x")) == SILENT
    assert why(InBody(("a", "symbol")), said(FORM, body=b"a=BTC-USD")) == SILENT


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (b"/v1/BTC-USD/orders", None),
        (b"/v1/%C3%84TH", None),
        (b"/v1/ETH-USD/BTC-USD", OTHER),
        (b"/v1/btc-usd", OTHER),
        (b"/v1/BTC+X", "a value is not plainly encoded"),
    ],
)
def test_a_segment_of_the_path_is_compared_once_decoded(path: bytes, fault: str | None) -> None:
    assert why(PATH, said(path=path, body=b"anything")) == fault


VALUES = st.sampled_from(("BTC-USD", "ETH-USD", "btc-usd", "BTC-USD ", "", "12")) | st.text(max_size=4)
NAMES = st.sampled_from(("symbol", "Symbol", "symbol[]", "orders", "x", "\u017fymbol", " symbol"))
SPELLED = st.sampled_from((b"symbol", b"%73ymbol", b"SYMBOL", b"symbol%5B%5D", b"+symbol", b"x", b"symbol%00"))
ENCODED = st.sampled_from((b"BTC-USD", b"ETH-USD", b"%42TC-USD", b"BTC-USD+", b"%", b"%ff")) | st.binary(max_size=4)
PAIRS = st.lists(st.tuples(SPELLED, st.sampled_from((b"=", b"")), ENCODED).map(b"".join), max_size=4).flatmap(
    lambda parts: st.sampled_from((b"&", b";")).map(lambda between: between.join(parts))
)
DOCUMENTS = st.recursive(
    VALUES | st.none() | st.integers() | st.floats(allow_nan=False),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=3),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())
PLACES = st.lists(st.sampled_from((QUERY, FIELD, ITEMS)), min_size=1, max_size=3)


@given(places=PLACES, query=PAIRS, body=st.just(b"") | PAIRS | DOCUMENTS, kind=st.sampled_from((JSON, FORM)))
def test_no_request_with_another_value_anywhere_is_inside(
    places: list[Place], query: bytes, body: bytes, kind: tuple[bytes, bytes]
) -> None:
    """A generous backend of its own reads every value under every name that folds to `symbol`; all must be allowed."""
    if outside(places, said(kind, query=query), body, ALLOWED) is None:
        assert set(_generously(query, body, kind)) <= set(ALLOWED)
        assert _generously(query, body, kind)


def _generously(query: bytes, body: bytes, kind: tuple[bytes, bytes]) -> list[str]:
    read: list[tuple[str, object]] = []
    for text in (query, body if kind is FORM else b""):
        read += parse_qsl(text.replace(b";", b"&").decode("latin-1"), keep_blank_values=True, encoding="utf-8")
    found = json.loads(body) if body and kind is JSON else None
    for held in (found, *(found.get("orders", ()) if isinstance(found, dict) else ())):
        read += held.items() if isinstance(held, dict) else ()
    return [str(value) for name, value in read if name.partition("[")[0].strip("\0 ").casefold() == "symbol"]
