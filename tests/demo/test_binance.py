from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.demo.app import demo_exchange
from guard.demo.binance import BINANCE
from guard.demo.exchange import Exchange, Refusal
from guard.demo.face import Call
from guard.model.names import UnixMs
from tests.demo.calling import Answered, call

NOW = UnixMs(1_700_000_000_000)
LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "60000",
    "newClientOrderId": "x-1",
    "timestamp": "1700000000000",
    "signature": "00",
}


def form(**changes: str | None) -> bytes:
    return urlencode({name: value for name, value in {**LIMIT, **changes}.items() if value is not None}).encode()


async def test_open_endpoints_need_no_account() -> None:
    app = demo_exchange(clock=lambda: NOW)
    assert (await call(app, "GET", "/api/v3/ping", account=None)).content == {}
    assert (await call(app, "GET", "/api/v3/time", account=None)).content == {"serverTime": 1_700_000_000_000}
    depth = await call(app, "GET", "/api/v3/depth?symbol=BTCUSDT&limit=1", account=None)
    assert depth.content["bids"] == [["60490.00000000", "0.50000000"]]
    assert depth.content["asks"] == [["60510.00000000", "0.50000000"]]
    symbols = (await call(app, "GET", "/api/v3/exchangeInfo", account=None)).content["symbols"]
    assert [each["symbol"] for each in symbols] == ["BTCUSDT", "ETHUSDT"]


async def test_a_new_order_is_answered_with_itself_and_its_fills() -> None:
    app = demo_exchange(clock=lambda: NOW)
    answered = await call(app, "POST", "/api/v3/order", body=form(price="61000"))
    assert answered.status == 200
    expected = {"orderId": 1, "clientOrderId": "x-1", "status": "FILLED", "executedQty": "0.01000000"}
    assert expected.items() <= answered.content.items()
    assert answered.content["cummulativeQuoteQty"] == "605.10000000"
    assert [(fill["price"], fill["qty"]) for fill in answered.content["fills"]] == [("60510.00000000", "0.01000000")]


async def test_an_order_is_found_by_either_id_and_cancelled_once() -> None:
    app = demo_exchange()
    await call(app, "POST", "/api/v3/order", body=form())
    for name in ("orderId=1", "origClientOrderId=x-1", "orderId=1&origClientOrderId=x-1"):
        found = await call(app, "GET", f"/api/v3/order?symbol=BTCUSDT&{name}")
        assert (found.status, found.content["status"], found.content["price"]) == (200, "NEW", "60000.00000000")
    cancelled = await call(app, "DELETE", "/api/v3/order?symbol=BTCUSDT&orderId=1")
    assert (cancelled.status, cancelled.content["status"]) == (200, "CANCELED")
    assert _no(await call(app, "DELETE", "/api/v3/order?symbol=BTCUSDT&orderId=1")) == (400, -2011)
    assert (await call(app, "GET", "/api/v3/order?symbol=BTCUSDT&orderId=1")).content["status"] == "CANCELED"


@pytest.mark.parametrize(
    "query",
    [
        "symbol=BTCUSDT&orderId=2",
        "symbol=ETHUSDT&orderId=1",
        "symbol=BTCUSDT&origClientOrderId=x-2",
        "symbol=BTCUSDT&orderId=1&origClientOrderId=x-2",
    ],
)
async def test_an_order_that_is_not_there_has_binances_codes(query: str) -> None:
    app = demo_exchange()
    await call(app, "POST", "/api/v3/order", body=form())
    assert _no(await call(app, "GET", f"/api/v3/order?{query}")) == (400, -2013)
    assert _no(await call(app, "DELETE", f"/api/v3/order?{query}")) == (400, -2011)


async def test_orders_of_another_account_do_not_exist() -> None:
    app = demo_exchange()
    await call(app, "POST", "/api/v3/order", body=form())
    assert _no(await call(app, "GET", "/api/v3/order?symbol=BTCUSDT&orderId=1", account="bob")) == (400, -2013)
    assert _no(await call(app, "DELETE", "/api/v3/order?symbol=BTCUSDT&orderId=1", account="bob")) == (400, -2011)
    assert (await call(app, "GET", "/api/v3/openOrders", account="bob")).content == []


async def test_both_faces_show_one_book() -> None:
    app = demo_exchange()
    await call(app, "POST", "/api/v3/order", body=form(price="60495"))
    depth = await call(app, "GET", "/v1/depth?symbol=BTC-USD&limit=1")
    assert depth.content["bids"] == [["60495.00", "0.01000"]]
    assert (await call(app, "GET", "/v1/orders/o-1")).content["px"] == "60495.00"


async def test_a_market_order_is_filled_and_has_no_price_on_either_face() -> None:
    app = demo_exchange()
    market = form(type="MARKET", timeInForce=None, price=None)
    answered = await call(app, "POST", "/api/v3/order", body=market)
    assert (answered.content["type"], answered.content["status"]) == ("MARKET", "FILLED")
    assert (await call(app, "GET", "/v1/orders/o-1")).content["px"] is None
    spending = form(type="MARKET", timeInForce=None, price=None, quantity=None, quoteOrderQty="605.1", side="SELL")
    assert (await call(app, "POST", "/api/v3/order", body=spending)).content["executedQty"] == "0.01000000"


async def test_an_immediate_order_never_rests() -> None:
    answered = await call(demo_exchange(), "POST", "/api/v3/order", body=form(timeInForce="IOC"))
    assert (answered.content["status"], answered.content["timeInForce"]) == ("EXPIRED", "IOC")


async def test_open_orders_are_listed_and_cancelled_by_symbol() -> None:
    app = demo_exchange()
    await call(app, "POST", "/api/v3/order", body=form())
    await call(app, "POST", "/api/v3/order", body=form(symbol="ETHUSDT", price="2000", newClientOrderId="x-2"))
    assert [each["orderId"] for each in (await call(app, "GET", "/api/v3/openOrders")).content] == [1, 2]
    assert [each["orderId"] for each in (await call(app, "GET", "/api/v3/openOrders?symbol=ETHUSDT")).content] == [2]
    ended = await call(app, "DELETE", "/api/v3/openOrders?symbol=BTCUSDT")
    assert [(each["orderId"], each["status"]) for each in ended.content] == [(1, "CANCELED")]
    assert _no(await call(app, "DELETE", "/api/v3/openOrders?symbol=BTCUSDT")) == (400, -2011)


async def test_balances_are_in_usdt() -> None:
    app = demo_exchange()
    await call(app, "POST", "/api/v3/order", body=form())
    balances = {each["asset"]: each for each in (await call(app, "GET", "/api/v3/account")).content["balances"]}
    assert balances["USDT"] == {"asset": "USDT", "free": "9999400.00000000", "locked": "600.00000000"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"%ff", -1100),
        (b"\xff", -1100),
        (form() + b"&side=SELL", -1101),
        (form(symbol=None), -1102),
        (form(symbol="DOGEUSDT"), -1121),
        (form(side=None), -1102),
        (form(side="buy"), -1116),
        (form(type=None), -1102),
        (form(type="STOP_LOSS"), -1116),
        (form(timeInForce=None), -1102),
        (form(timeInForce="FOK"), -1116),
        (form(quantity=None), -1102),
        (form(price=None), -1102),
        (form(price="0"), -1013),
        (form(quantity="0.000001"), -1013),
        (form(newClientOrderId="a b"), -1100),
        (form(quantity="1000"), -2010),
        (form(type="MARKET", quoteOrderQty="1"), -1102),
        (form(type="MARKET", quantity=None), -1102),
        (form(type="MARKET", quantity="x"), -1013),
    ],
)
async def test_a_form_that_is_no_order_is_refused_in_binances_words(body: bytes, code: int) -> None:
    app = demo_exchange()
    answered = await call(app, "POST", "/api/v3/order", body=body)
    assert _no(answered) == (400, code)
    assert isinstance(answered.content["msg"], str)
    assert (await call(app, "GET", "/api/v3/openOrders")).content == []


@pytest.mark.parametrize(
    ("method", "target", "code"),
    [
        ("GET", "/api/v3/order?orderId=1", -1102),
        ("GET", "/api/v3/order?symbol=BTCUSDT", -1102),
        ("GET", "/api/v3/order?symbol=BTCUSDT&orderId=o-1", -1100),
        ("GET", "/api/v3/order?symbol", -1100),
        ("DELETE", "/api/v3/order?symbol", -1100),
        ("GET", "/api/v3/openOrders?symbol=X", -1121),
        ("GET", "/api/v3/openOrders?symbol", -1100),
        ("DELETE", "/api/v3/openOrders", -1102),
        ("DELETE", "/api/v3/openOrders?symbol", -1100),
        ("GET", "/api/v3/depth", -1102),
        ("GET", "/api/v3/depth?symbol", -1100),
        ("GET", "/api/v3/depth?symbol=BTCUSDT&limit=5001", -1100),
    ],
)
async def test_bad_queries_have_binances_codes(method: str, target: str, code: int) -> None:
    assert _no(await call(demo_exchange(), method, target)) == (400, code)


async def test_a_full_demo_says_so_on_every_private_path() -> None:
    app = demo_exchange(accounts_max=1)
    await call(app, "POST", "/api/v3/order", body=form())
    for method, path in (
        ("GET", "account"),
        ("GET", "order"),
        ("DELETE", "order"),
        ("GET", "openOrders"),
        ("DELETE", "openOrders"),
    ):
        answered = await call(app, method, f"/api/v3/{path}?symbol=BTCUSDT&orderId=1", account="bob")
        assert _no(answered) == (503, -1008)


@given(st.binary(max_size=200), st.text(max_size=60), st.sampled_from(BINANCE.endpoints))
def test_rubbish_is_refused_and_never_crashes(body: bytes, query: str, endpoint: object) -> None:
    act = endpoint.act  # type: ignore[attr-defined]
    content = act(Exchange(), Call(account="alice", path={}, query=query, body=body, now=NOW))
    if isinstance(content, Refusal):
        assert BINANCE.refuse(content).status >= 400


def _no(answered: Answered) -> tuple[int, int]:
    return answered.status, answered.content["code"]
