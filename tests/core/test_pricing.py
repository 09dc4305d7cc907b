"""What a message costs: by its items, by a number in its query or body, and by what its answer says."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.pricing import Price, price, price_at_head, settled, settled_cost
from guard.core.standing import throttled
from guard.model.abuse import Action
from guard.model.facts import Facts
from guard.model.pricing import ByItems, ByMember, ByParameter, Pricing, Settlement, Steps
from guard.model.questions import Charge, Debit
from tests.build import NOW, abuse, ban, facts, limit, route, service, slots

ITEMS = ByItems(pointer=("orders",), each=2, base=1, per=3, items_max=6)
STEPS = Steps(5, ((100, 6), (500, 25)))
QUERY = ByParameter(b"limit", STEPS)
MEMBER = ByMember(("depth",), STEPS)
JSON = (b"content-type", b"application/json; charset=utf-8")
FORM = (b"content-type", b"application/x-www-form-urlencoded")


def said(*fields: tuple[bytes, bytes], query: bytes | None = None) -> Facts:
    return facts(fields=fields or (JSON,), query=query)


def of(pricing: Pricing, body: bytes = b"", message: Facts | None = None) -> Price:
    return price(pricing, message or said(), body)


@pytest.mark.parametrize(("count", "cost"), [(0, 3), (1, 3), (3, 3), (4, 5), (6, 5)])
def test_items_cost_by_the_bundles_that_are_begun_and_none_costs_as_one(count: int, cost: int) -> None:
    body = json.dumps({"orders": [{"orders": []}] * count}).encode()
    assert of(ITEMS, body) == Price(cost)


def test_the_whole_document_may_be_the_array() -> None:
    assert of(ByItems(pointer=(), each=1, base=0, per=1, items_max=9), b"[1, 2, 3]") == Price(3)


def test_more_items_than_there_may_be_are_refused_and_never_capped() -> None:
    body = json.dumps({"orders": [1] * 7}).encode()
    assert of(ITEMS, body) == Price(3, "request.too_many_items", "at most 6 items at /orders")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b'{"orders": [1], "orders": []}', "a name occurs twice in one object of the body"),
        (b'{"a": {"b": 1, "b": 2}, "orders": []}', "a name occurs twice in one object of the body"),
        (b'{"orders": ' + b"[" * 32 + b"]" * 32 + b"}", "the body is nested more than 32 deep"),
        (b'{"orders": [NaN]}', "the body holds a number that JSON does not have"),
        (b'{"other": [1]}', "nothing stands at /orders"),
        (b'{"Orders": [1]}', "a name of the body is spelled otherwise"),
        (b'{"orders": [1], "ORDERS": []}', "a name of the body is spelled otherwise"),
        (b'{"orders\\u0000": [1, 2, 3], "orders": [1]}', "a name of the body holds U+0000"),
        (b'{"orders": {"0": 1}}', "what stands at /orders is no array"),
        (b'{"orders": "[1,2]"}', "what stands at /orders is no array"),
        (b'{"orders": null}', "what stands at /orders is no array"),
        (b"\xef\xbb\xbf{}", "the body is not JSON"),
    ],
)
def test_a_body_that_cannot_be_counted_is_refused_and_costs_what_it_would_at_least(body: bytes, detail: str) -> None:
    assert of(ITEMS, body) == Price(3, "request.bad_body", detail)


@pytest.mark.parametrize(
    "kind", [b"text/plain", b"application/problem+json", b"", b"application/x-www-form-urlencoded"]
)
def test_items_are_read_from_json_only(kind: bytes) -> None:
    told = of(ITEMS, b'{"orders": []}', said((b"content-type", kind)))
    assert told == Price(3, "request.bad_body", "this route takes application/json")


@pytest.mark.parametrize(
    "field", [(b"content-encoding", b"gzip"), (b"content-type", b"application/json; charset=utf-7")]
)
def test_a_body_that_is_encoded_otherwise_has_no_cost(field: tuple[bytes, bytes]) -> None:
    fields = (field,) if field[0] == b"content-type" else (JSON, field)
    assert of(ITEMS, b'{"orders": []}', said(*fields)).fault == "request.bad_body"
    assert of(MEMBER, b"x", said(FORM, (b"content-encoding", b"gzip"))).fault == "request.bad_body"


def test_a_content_type_that_is_said_twice_is_none() -> None:
    assert of(ITEMS, b'{"orders": []}', said(JSON, JSON)).fault == "request.bad_body"


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        (None, 5),
        (b"", 5),
        (b"symbol=BTC", 5),
        (b"limit=0", 6),
        (b"limit=100", 6),
        (b"limit=101&symbol=BTC", 25),
        (b"x=limit&limit=500", 25),
        (b"limits=9999", 5),
    ],
)
def test_a_number_in_the_query_costs_its_step(query: bytes | None, cost: int) -> None:
    assert of(QUERY, message=said(query=query)) == Price(cost)


@pytest.mark.parametrize(
    "query",
    [
        *(b"limit=501", b"limit=", b"limit", b"limit=-1", b"limit=+1", b"limit=1.0", b"limit=1e2", b"limit=010"),
        *(b"limit=1%30", b"limit=99999999999999999999", b"limit=\xd9\xa1", b"limit=1&limit=1"),
        *(b"limit=1&%6cimit=400", b"%6Cimit=1", b"Limit=1", b"limit=1&LIMIT=400", b"+limit=400", b"%20limit=400"),
        *(b"limit=1;limit=400", b"x=1;limit=400", b"limit=1;x"),
        *(b"limit[]=400", b"limit=1&limit%5B%5D=400", b"limit=1&limit%00x=400"),
    ],
)
def test_a_parameter_that_backends_may_read_otherwise_is_refused_and_costs_the_default(query: bytes) -> None:
    told = of(QUERY, message=said(query=query))
    assert (told.cost, told.fault) == (5, "request.malformed")


@pytest.mark.parametrize(
    ("body", "cost"),
    [
        (b"", 5),
        (b"{}", 5),
        (b"[]", 5),
        (b'{"depth": 100}', 6),
        (b'{"depth": "101"}', 25),
        (b'{"other": {"depth": 900}}', 5),
    ],
)
def test_a_number_in_a_json_body_costs_its_step(body: bytes, cost: int) -> None:
    assert of(MEMBER, body) == Price(cost)


@pytest.mark.parametrize(
    "body",
    [
        *(b'{"Depth": 900}', b'{"depth": 1, "DEPTH": 400}', '{"depth": 1, "ｄepth": 400}'.encode()),
        *(b'{"depth": 501}', b'{"depth": -1}', b'{"depth": 1.0}', b'{"depth": 1e2}', b'{"depth": null}', b"not json"),
        *(
            b'{"depth": true}',
            b'{"depth": [1]}',
            b'{"depth": "\\ud800"}',
            b'{"depth": 1, "depth": 400}',
            b'{"depth": ""}',
        ),
        b'{"depth": "\xd9\xa1"}',
    ],
)
def test_what_is_no_whole_number_within_the_steps_is_refused(body: bytes) -> None:
    told = of(MEMBER, body)
    assert (told.cost, told.fault) == (5, "request.bad_body")


@pytest.mark.parametrize(
    ("body", "cost", "fault"),
    [
        (b"symbol=BTC", 5, None),
        (b"depth=400&symbol=BTC", 25, None),
        (b"depth=1&depth=400", 5, "request.bad_body"),
        (b"%64epth=400", 5, "request.bad_body"),
        (b"depth=501", 5, "request.bad_body"),
    ],
)
def test_a_form_is_read_as_a_query_is(body: bytes, cost: int, fault: str | None) -> None:
    told = of(MEMBER, body, said(FORM))
    assert (told.cost, told.fault) == (cost, fault)


def test_a_form_has_no_place_below_a_name() -> None:
    assert of(ByMember(("a", "b"), STEPS), b"a=1", said(FORM)).fault == "request.bad_body"


def test_before_a_body_is_known_the_head_tells_what_it_can() -> None:
    assert price_at_head(route(cost=7), said(query=b"limit=500")) is None
    assert price_at_head(route(pricing=QUERY), said(query=b"limit=500")) == 25
    assert price_at_head(route(pricing=ITEMS), said()) == 3
    assert price_at_head(route(pricing=MEMBER), said()) == 5


@given(
    st.binary(max_size=60)
    | st.recursive(
        st.integers() | st.text() | st.none(),
        lambda below: st.lists(below) | st.dictionaries(st.sampled_from(("orders", "depth", "x")), below),
    ).map(lambda value: json.dumps(value).encode())
)
def test_whatever_a_body_is_it_has_a_price_within_its_bounds(body: bytes) -> None:
    for kind in (JSON, FORM):
        for pricing, most in ((ITEMS, 5), (MEMBER, 25)):
            told = price(pricing, said(kind), body)
            assert 3 <= told.cost <= most
            assert told.fault in (None, "request.bad_body", "request.too_many_items")


@given(st.binary(max_size=60))
def test_whatever_a_query_is_it_has_a_price_within_its_bounds(query: bytes) -> None:
    for text in (query, b"limit=" + query, query + b"&limit=1"):
        told = price(QUERY, said(query=text), b"")
        assert 5 <= told.cost <= 25
        assert told.fault in (None, "request.malformed")


HELD = Settlement(b"guard-cost", 50)


@pytest.mark.parametrize(
    ("value", "cost"),
    [(b"0", 0), (b"7", 7), (b"50", 50), (b"51", 50), (b"999999999999999", 50)],
)
def test_an_answer_tells_the_cost_up_to_the_most_that_counts(value: bytes, cost: int) -> None:
    assert settled_cost(HELD, 200, ((b"Guard-Cost", value),)) == cost
    assert settled_cost(HELD, 500, ((b"x", b"1"), (b"guard-cost", value))) == cost


@pytest.mark.parametrize("value", [b"-1", b"", b"1.5", b"1 ", b"+1", b"0x1", b"1,2", b"9" * 16, b"nan", b"01"])
def test_an_answer_that_tells_no_whole_number_leaves_what_is_held(value: bytes) -> None:
    assert settled_cost(HELD, 200, ((b"guard-cost", value),)) is None


def test_an_answer_that_tells_nothing_or_two_costs_leaves_what_is_held() -> None:
    assert settled_cost(HELD, 200, ()) is None
    assert settled_cost(HELD, 200, ((b"guard-cost", b"1"), (b"guard-cost", b"1"))) is None


@pytest.mark.parametrize(
    ("status", "cost"), [(200, 0), (201, 0), (299, 0), (199, None), (300, None), (400, None), (503, None)]
)
def test_success_costs_what_it_is_said_to_cost(status: int, cost: int | None) -> None:
    assert settled_cost(Settlement(None, 3, 0), status, ((b"guard-cost", b"9"),)) == cost


def test_only_limits_that_count_costs_are_settled() -> None:
    of_bytes = msgspec.structs.replace(limit("bytes"), of_bytes=True)
    own = msgspec.structs.replace(limit("own"), cost=4)
    debits = tuple(Debit((each.name,), each, 3) for each in (limit(), of_bytes, own, slots()))
    assert settled(Charge(id="a", now=NOW, debits=debits), 9) == (9, 3, 3, 3)


@pytest.mark.parametrize(("percent", "expected"), [(100, 10), (25, 40), (5, 100)])
def test_what_is_told_after_the_answer_costs_who_is_throttled_as_much_more(percent: int, expected: int) -> None:
    taken = (Debit(("a",), limit(capacity=100), 20),)
    held = throttled(taken, (ban(action=Action.THROTTLE, percent=percent),), service(abuse=abuse()), route())
    assert settled(Charge(id="a", now=NOW, debits=held), 10) == (expected,)
