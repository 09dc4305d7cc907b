"""A real ccxt Binance client trades through the gateway; its tampered, stale and replayed requests are refused."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from tests.system.dev import Dev, dev

pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

_ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    with dev(tmp_path_factory.mktemp("home")) as started:
        yield started


@pytest.fixture
def client(running: Dev) -> Iterator[Any]:
    key = running.key
    exchange = ccxt.binance({"apiKey": key["id"], "secret": key["secret"], "enableRateLimit": False})
    exchange.options.update({"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False})
    exchange.urls["api"] = _redirected(exchange.urls["api"], running.gateway)
    yield exchange
    exchange.session.close()


def test_an_order_is_placed_read_and_cancelled(client: Any) -> None:
    client.load_markets()
    order = client.create_order("BTC/USDT", "limit", "buy", 0.01, 60_000)
    assert order["status"] == "open"
    assert client.fetch_order(order["id"], "BTC/USDT")["price"] == 60_000
    assert client.fetch_balance()["USDT"]["used"] == 600
    assert client.cancel_order(order["id"], "BTC/USDT")["status"] == "canceled"


def test_a_replayed_order_is_refused(client: Any) -> None:
    signed = client.sign("order", ["private"], "POST", {**_ORDER, "price": "50000"})
    assert _sent(signed)[0] == 200
    assert _sent(signed) == (401, "auth.replayed")


def test_a_read_may_repeat_inside_its_window_and_nowhere_else(client: Any) -> None:
    signed = client.sign("account", ["private"], "GET", {})
    assert [_sent(signed)[0] for _ in range(3)] == [200, 200, 200]
    moved = {**signed, "url": signed["url"].replace("/account", "/openOrders")}
    assert _sent(moved) == (401, "auth.replayed")


def test_a_signature_seen_on_a_read_cancels_nothing(client: Any) -> None:
    signed = client.sign("openOrders", ["private"], "GET", {"symbol": "BTCUSDT"})
    assert _sent(signed)[0] == 200
    assert _sent({**signed, "method": "DELETE"}) == (401, "auth.replayed")


def test_a_tampered_order_is_refused(client: Any) -> None:
    signed = client.sign("order", ["private"], "POST", {**_ORDER, "price": "50001"})
    tampered = {**signed, "body": signed["body"].replace("0.01", "9.99")}
    assert tampered["body"] != signed["body"]
    assert _sent(tampered) == (401, "auth.invalid")
    assert _sent(signed)[0] == 200  # the forgery has spent nothing of it


def test_a_stale_order_is_refused(client: Any) -> None:
    past = client.milliseconds() - 60_000
    client.milliseconds = lambda: past
    assert _sent(client.sign("order", ["private"], "POST", {**_ORDER, "price": "50002"})) == (401, "auth.stale")


def test_an_order_from_the_future_is_refused(client: Any) -> None:
    future = client.milliseconds() + 60_000
    client.milliseconds = lambda: future
    assert _sent(client.sign("order", ["private"], "POST", {**_ORDER, "price": "50003"})) == (401, "auth.future")


def _sent(signed: dict[str, Any]) -> tuple[int, str | None]:
    """The status and the reason of exactly these bytes."""
    body = signed.get("body")
    request = urllib.request.Request(  # noqa: S310  # http on loopback
        signed["url"],
        data=None if body is None else body.encode(),
        headers=signed["headers"] or {},
        method=signed["method"],
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, None
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read()).get("code")


def _redirected(urls: Any, base: str) -> Any:
    if isinstance(urls, dict):
        return {name: _redirected(url, base) for name, url in urls.items()}
    return re.sub(r"^https?://[^/]+", base, urls) if isinstance(urls, str) else urls
