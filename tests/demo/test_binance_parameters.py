import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.demo.binance_parameters import (
    WishedOrder,
    depth_limit,
    illegal,
    market_of,
    missing,
    parameters,
    wish_of,
    wished_order,
)
from guard.demo.book import Order, Side
from guard.demo.exchange import Fault, Refusal, Wish
from guard.demo.face import Call
from guard.demo.markets import MARKETS
from guard.model.names import UnixMs

BTC = MARKETS[0]
LIMIT = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "LIMIT",
    "timeInForce": "IOC",
    "quantity": "0.01",
    "price": "60000.5",
    "newClientOrderId": "x-1",
}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"}


def call(query: str = "", body: bytes = b"") -> Call:
    return Call(account="a", path={}, query=query, body=body, now=UnixMs(0))


def fault(result: object) -> Fault:
    assert isinstance(result, Refusal)
    return result.fault


def test_query_and_body_are_read_together_and_decoded_once() -> None:
    assert parameters(call("a=%252F&b=", b"c=x+y&d=%C3%A9")) == {"a": "%2F", "b": "", "c": "x y", "d": "é"}
    assert parameters(call()) == {}


@pytest.mark.parametrize(
    ("query", "body", "why"),
    [
        ("a=1&a=1", b"", Fault.DUPLICATE_PARAMETER),
        ("a=1", b"a=2", Fault.DUPLICATE_PARAMETER),
        ("a", b"", Fault.BAD_REQUEST),
        ("a=%ff", b"", Fault.BAD_REQUEST),
        ("", b"a=\xc3\xa9", Fault.BAD_REQUEST),
        ("&".join(f"p{n}=1" for n in range(33)), b"", Fault.BAD_REQUEST),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(query: str, body: bytes, why: Fault) -> None:
    assert fault(parameters(call(query, body))) is why


@given(st.text(), st.binary())
def test_any_input_gives_parameters_or_a_refusal(query: str, body: bytes) -> None:
    assert isinstance(parameters(call(query, body)), dict | Refusal)


def test_markets_are_named_as_binance_does() -> None:
    assert market_of({"symbol": "BTCUSDT"}) is BTC
    assert fault(market_of({"symbol": "BTC-USD"})) is Fault.UNKNOWN_SYMBOL
    assert fault(market_of({})) is Fault.MISSING_PARAMETER


def test_a_limit_is_a_number_up_to_5000() -> None:
    assert (depth_limit({}), depth_limit({"limit": "5000"})) == (100, 5_000)
    assert [fault(depth_limit({"limit": text})) for text in ("0", "5001", "-1", "1.0", "٣")] == [Fault.BAD_REQUEST] * 5


def test_a_limit_order_is_read_into_integers() -> None:
    assert wish_of(LIMIT) == Wish(market=BTC, side=Side.SELL, px=6_000_050, qty=1_000, immediate=True, client_id="x-1")
    resting = wish_of({**LIMIT, "timeInForce": "GTC"})
    assert isinstance(resting, Wish)
    assert not resting.immediate


def test_a_market_order_has_a_quantity_or_a_budget() -> None:
    assert wish_of({**MARKET, "quantity": "0.01"}) == Wish(market=BTC, side=Side.BUY, px=0, qty=1_000)
    spending = Wish(market=BTC, side=Side.BUY, px=0, qty=None, turnover_max=6_051_000_000)
    assert wish_of({**MARKET, "quoteOrderQty": "605.1"}) == spending
    assert fault(wish_of(MARKET)) is Fault.MISSING_PARAMETER
    assert fault(wish_of({**MARKET, "quantity": "1", "quoteOrderQty": "1"})) is Fault.MISSING_PARAMETER
    assert fault(wish_of({**MARKET, "quantity": "0"})) is Fault.FILTER


@pytest.mark.parametrize("name", ["symbol", "side", "type", "timeInForce", "quantity", "price"])
def test_nothing_mandatory_may_be_missing(name: str) -> None:
    refused = wish_of({key: value for key, value in LIMIT.items() if key != name})
    assert refused == missing(name)
    assert name in missing(name).detail


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"side": "sell"}, Fault.BAD_PARAMETER),
        ({"type": "limit"}, Fault.BAD_PARAMETER),
        ({"timeInForce": "FOK"}, Fault.BAD_PARAMETER),
        ({"price": "1e5"}, Fault.FILTER),
        ({"price": "0.001"}, Fault.FILTER),
        ({"quantity": "0"}, Fault.FILTER),
        ({"newClientOrderId": ""}, Fault.BAD_REQUEST),
        ({"newClientOrderId": "x" * 37}, Fault.BAD_REQUEST),
    ],
)
def test_values_beyond_what_the_exchange_has_are_refused(change: dict[str, str], why: Fault) -> None:
    assert fault(wish_of({**LIMIT, **change})) is why


def test_the_filter_that_failed_is_named() -> None:
    prices, lots = wish_of({**LIMIT, "price": "0"}), wish_of({**LIMIT, "quantity": "0"})
    assert isinstance(prices, Refusal)
    assert isinstance(lots, Refusal)
    assert (prices.detail, lots.detail) == ("Filter failure: PRICE_FILTER", "Filter failure: LOT_SIZE")


def test_an_order_is_named_by_either_id_and_both_must_agree() -> None:
    order = Order(
        number=7, account="a", symbol="BTC-USD", side=Side.BUY, px=1, qty=1, created_at=UnixMs(0), changed_at=UnixMs(0),
        client_id="x",
    )  # fmt: skip
    for number, client_id, same in (
        (7, None, True),
        (None, "x", True),
        (7, "x", True),
        (7, "y", False),
        (8, "x", False),
    ):
        assert WishedOrder("BTC-USD", number, client_id).names(order) is same
    assert not WishedOrder("ETH-USD", 7, "x").names(order)


def test_a_wished_order_is_read_strictly() -> None:
    assert wished_order({"symbol": "BTCUSDT", "orderId": "7"}) == WishedOrder("BTC-USD", 7, None)
    assert wished_order({"symbol": "BTCUSDT", "origClientOrderId": "x"}) == WishedOrder("BTC-USD", None, "x")
    assert fault(wished_order({"symbol": "BTCUSDT"})) is Fault.MISSING_PARAMETER
    assert fault(wished_order({"orderId": "7"})) is Fault.MISSING_PARAMETER
    assert wished_order({"symbol": "BTCUSDT", "orderId": "07"}) == illegal("orderId")
