import pytest

from guard.demo.binance_shapes import account_text, depth_text, error_answer, exchange_text, order_text, placed_text
from guard.demo.book import Fill, Order, Side, Status
from guard.demo.exchange import Account, Balance, Fault, Placed, Refusal, Wish
from guard.demo.face import Answer
from guard.demo.markets import MARKETS
from guard.model.names import UnixMs

BTC = MARKETS[0]


def order(**changes: object) -> Order:
    fields: dict[str, object] = {
        "number": 7,
        "account": "a",
        "symbol": "BTC-USD",
        "side": Side.SELL,
        "px": 6_000_050,
        "qty": 1_000,
        "filled": 400,
        "turnover": 2_400_020_000,
        "status": Status.PARTLY_FILLED,
        "created_at": UnixMs(5),
        "changed_at": UnixMs(6),
        "client_id": "x",
    }
    return Order(**(fields | changes))  # type: ignore[arg-type]


def test_an_order_is_told_in_binances_shape() -> None:
    assert order_text(order(), BTC) == {
        "symbol": "BTCUSDT",
        "orderId": 7,
        "orderListId": -1,
        "clientOrderId": "x",
        "origClientOrderId": "x",
        "price": "60000.50000000",
        "origQty": "0.01000000",
        "executedQty": "0.00400000",
        "cummulativeQuoteQty": "240.00200000",
        "origQuoteOrderQty": "0.00000000",
        "status": "PARTIALLY_FILLED",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "SELL",
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": 5,
        "updateTime": 6,
        "workingTime": 5,
        "isWorking": True,
        "selfTradePreventionMode": "NONE",
    }


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (Status.OPEN, "NEW"),
        (Status.FILLED, "FILLED"),
        (Status.CANCELLED, "CANCELED"),
        (Status.EXPIRED, "EXPIRED"),
    ],
)
def test_each_status_has_binances_word(status: Status, said: str) -> None:
    assert order_text(order(status=status), BTC)["status"] == said


def test_kinds_of_orders_are_told_apart() -> None:
    kinds = [
        (each["type"], each["timeInForce"]) for each in (order_text(order(px=px, immediate=True), BTC) for px in (0, 1))
    ]
    assert kinds == [("MARKET", "GTC"), ("LIMIT", "IOC")]
    assert order_text(order(client_id=""), BTC)["clientOrderId"] == "demo-7"


def test_a_new_order_lists_its_fills() -> None:
    placed = Placed(order(), (Fill(order(number=1), 6_000_050, 400),))
    text = placed_text(placed, Wish(market=BTC, side=Side.SELL, px=6_000_050, qty=1_000))
    assert isinstance(text, dict)
    assert text["transactTime"] == 5
    assert text["fills"] == [
        {
            "price": "60000.50000000",
            "qty": "0.00400000",
            "commission": "0.00000000",
            "commissionAsset": "USDT",
            "tradeId": 0,
        }
    ]


def test_levels_are_pairs_of_price_and_quantity() -> None:
    assert depth_text({Side.BUY: ((100, 1),), Side.SELL: ((101, 2), (102, 3))}) == {
        "lastUpdateId": 1,
        "bids": [["1.00000000", "0.00001000"]],
        "asks": [["1.01000000", "0.00002000"], ["1.02000000", "0.00003000"]],
    }


def test_dollars_are_called_usdt() -> None:
    holder = Account(name="a", balances={"USD": Balance(5, 10**7), "BTC": Balance(10**5, 0)})
    text = account_text(holder, UnixMs(9))
    assert isinstance(text, dict)
    assert text["balances"] == [
        {"asset": "USDT", "free": "0.00000050", "locked": "1.00000000"},
        {"asset": "BTC", "free": "1.00000000", "locked": "0.00000000"},
    ]


def test_symbols_tell_ticks_and_lots() -> None:
    text = exchange_text((BTC,), UnixMs(9))
    assert isinstance(text, dict)
    [symbol] = text["symbols"]
    assert (symbol["symbol"], symbol["baseAsset"], symbol["quoteAsset"]) == ("BTCUSDT", "BTC", "USDT")
    ticks, lots = symbol["filters"]
    assert (ticks["tickSize"], lots["stepSize"]) == ("0.01000000", "0.00001000")


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_has_a_code_and_words(fault: Fault) -> None:
    answer = error_answer(Refusal(fault, "detail"))
    assert isinstance(answer.content, dict)
    assert answer.status >= 400
    assert answer.content["code"] < 0
    assert answer.content["msg"]


def test_words_that_clients_compare_are_binances_own() -> None:
    refused = error_answer(Refusal(Fault.INSUFFICIENT_BALANCE, "detail"))
    assert refused == Answer(400, {"code": -2010, "msg": "Account has insufficient balance for requested action."})
    assert error_answer(Refusal(Fault.UNKNOWN_SYMBOL, "Invalid symbol.")) == Answer(
        400, {"code": -1121, "msg": "Invalid symbol."}
    )
