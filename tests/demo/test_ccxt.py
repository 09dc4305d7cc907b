"""A real ccxt Binance client against the demo exchange over a socket. Its signatures are for the gateway to verify."""

import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import ccxt
import pytest
import uvicorn

from guard.demo.app import demo_exchange

pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def client() -> Iterator[Any]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(demo_exchange(), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    exchange = ccxt.binance(
        {"apiKey": "k", "secret": "s", "enableRateLimit": False, "headers": {"Guard-Account": "alice"}}
    )
    exchange.options["fetchMarkets"] = {"types": ["spot"]}
    exchange.options.update({"fetchCurrencies": False, "fetchMargins": False})  # no /sapi here
    exchange.urls["api"] = _redirected(exchange.urls["api"], f"http://127.0.0.1:{listener.getsockname()[1]}")
    yield exchange
    exchange.session.close()
    server.should_exit = True
    thread.join(timeout=10)
    assert not thread.is_alive()


def test_a_limit_order_is_placed_read_listed_and_cancelled(client: Any) -> None:
    client.load_markets()
    order = client.create_order("BTC/USDT", "limit", "buy", 0.01, 60_000)
    assert (order["id"], order["status"], order["amount"], order["price"]) == ("1", "open", 0.01, 60_000)
    assert client.fetch_order("1", "BTC/USDT")["status"] == "open"
    assert [each["id"] for each in client.fetch_open_orders("BTC/USDT")] == ["1"]
    assert client.fetch_balance()["USDT"] == {"free": 9_999_400, "used": 600, "total": 10_000_000}
    assert client.cancel_order("1", "BTC/USDT")["status"] == "canceled"
    assert client.fetch_open_orders("BTC/USDT") == []
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order("1", "BTC/USDT")
    with pytest.raises(ccxt.OrderNotFound):
        client.fetch_order("2", "BTC/USDT")


def test_a_market_order_trades_at_once(client: Any) -> None:
    client.load_markets()
    order = client.create_order("ETH/USDT", "market", "sell", 0.1)
    assert (order["status"], order["filled"], order["average"]) == ("closed", 0.1, 2_499.5)
    spent = client.create_order("BTC/USDT", "market", "buy", 0.01, 60_510)
    assert (spent["status"], spent["cost"]) == ("closed", 605.1)


def test_all_open_orders_are_cancelled_and_the_book_is_read(client: Any) -> None:
    client.load_markets()
    client.create_order("BTC/USDT", "limit", "buy", 0.01, 60_000)
    client.create_order("BTC/USDT", "limit", "buy", 0.01, 60_001)
    assert len(client.cancel_all_orders("BTC/USDT")) == 2
    assert client.fetch_order_book("BTC/USDT", 5)["bids"][0] == [60_490, 0.5]
    assert client.fetch_time() > 1_600_000_000_000


def test_refusals_raise_what_ccxt_users_expect(client: Any) -> None:
    client.load_markets()
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order("BTC/USDT", "limit", "buy", 1_000, 60_000)
    with pytest.raises(ccxt.BadSymbol):
        client.publicGetDepth({"symbol": "DOGEUSDT"})


def _redirected(urls: Any, base: str) -> Any:
    if isinstance(urls, dict):
        return {name: _redirected(url, base) for name, url in urls.items()}
    return re.sub(r"^https?://[^/]+", base, urls) if isinstance(urls, str) else urls
