"""The Binance face: `/api/v3/…` in the shapes of Binance's spot REST API, close enough for a real ccxt client.

Market and limit orders only; USD is called USDT here. `timestamp`, `recvWindow` and `signature` are not looked at: the
gateway has judged them.
"""

from guard.demo.binance_parameters import depth_limit, market_of, parameters, wish_of, wished_order
from guard.demo.binance_shapes import account_text, depth_text, error_answer, exchange_text, order_text, placed_text
from guard.demo.book import Order
from guard.demo.exchange import Exchange, Fault, Refusal
from guard.demo.face import Call, Endpoint, Face
from guard.demo.markets import MARKETS, Market

_BY_SYMBOL = {market.symbol: market for market in MARKETS}


def _ping(_exchange: Exchange, _call: Call) -> object:
    return {}


def _time(_exchange: Exchange, call: Call) -> object:
    return {"serverTime": call.now}


def _exchange_info(_exchange: Exchange, call: Call) -> object:
    return exchange_text(MARKETS, call.now)


def _depth(exchange: Exchange, call: Call) -> object | Refusal:
    asked = parameters(call)
    if isinstance(asked, Refusal):
        return asked
    market, limit = market_of(asked), depth_limit(asked)
    if isinstance(market, Refusal):
        return market
    return limit if isinstance(limit, Refusal) else depth_text(exchange.depth(market, limit))


def _account(exchange: Exchange, call: Call) -> object | Refusal:
    account = exchange.account(call.account)
    return account if isinstance(account, Refusal) else account_text(account, call.now)


def _place(exchange: Exchange, call: Call) -> object | Refusal:
    asked = parameters(call)
    wish = asked if isinstance(asked, Refusal) else wish_of(asked)
    if isinstance(wish, Refusal):
        return wish
    placed = exchange.place(call.account, wish, call.now)
    return placed if isinstance(placed, Refusal) else placed_text(placed, wish)


def _read(exchange: Exchange, call: Call) -> object | Refusal:
    found = _named_order(exchange, call)
    if found is None:
        return Refusal(Fault.UNKNOWN_ORDER, "Order does not exist.")
    return found if isinstance(found, Refusal) else order_text(found, _BY_SYMBOL[found.symbol])


def _cancel(exchange: Exchange, call: Call) -> object | Refusal:
    found = _named_order(exchange, call)
    if found is None:
        return Refusal(Fault.NOT_OPEN, "Unknown order sent.")
    cancelled = found if isinstance(found, Refusal) else exchange.cancel(call.account, found.number, call.now)
    return cancelled if isinstance(cancelled, Refusal) else order_text(cancelled, _BY_SYMBOL[cancelled.symbol])


def _open_orders(exchange: Exchange, call: Call) -> object | Refusal:
    asked = parameters(call)
    if isinstance(asked, Refusal):
        return asked
    market = market_of(asked) if "symbol" in asked else None
    listed = market if isinstance(market, Refusal) else _live(exchange, call.account, market)
    if isinstance(listed, Refusal):
        return listed
    return [order_text(order, _BY_SYMBOL[order.symbol]) for order in listed]


def _cancel_all(exchange: Exchange, call: Call) -> object | Refusal:
    asked = parameters(call)
    market = asked if isinstance(asked, Refusal) else market_of(asked)
    listed = market if isinstance(market, Refusal) else _live(exchange, call.account, market)
    if isinstance(listed, Refusal):
        return listed
    if not listed:
        return Refusal(Fault.NOT_OPEN, "Unknown order sent.")
    ended = [exchange.cancel(call.account, order.number, call.now) for order in listed]
    return [order_text(order, _BY_SYMBOL[order.symbol]) for order in ended if isinstance(order, Order)]


BINANCE = Face(
    prefix="/api/v3",
    endpoints=(
        Endpoint("GET", "/api/v3/ping", _ping),
        Endpoint("GET", "/api/v3/time", _time),
        Endpoint("GET", "/api/v3/exchangeInfo", _exchange_info),
        Endpoint("GET", "/api/v3/depth", _depth),
        Endpoint("GET", "/api/v3/account", _account, private=True),
        Endpoint("POST", "/api/v3/order", _place, private=True),
        Endpoint("GET", "/api/v3/order", _read, private=True),
        Endpoint("DELETE", "/api/v3/order", _cancel, private=True),
        Endpoint("GET", "/api/v3/openOrders", _open_orders, private=True),
        Endpoint("DELETE", "/api/v3/openOrders", _cancel_all, private=True),
    ),
    refuse=error_answer,
)


def _named_order(exchange: Exchange, call: Call) -> Order | Refusal | None:
    """The account's own order that the parameters name, open or closed; None if it has none such."""
    asked = parameters(call)
    wished = asked if isinstance(asked, Refusal) else wished_order(asked)
    if isinstance(wished, Refusal):
        return wished
    account = exchange.account(call.account)
    if isinstance(account, Refusal):
        return account
    orders = (*account.live.values(), *reversed(account.closed.values()))
    return next((order for order in orders if wished.names(order)), None)


def _live(exchange: Exchange, name: str, market: Market | None) -> list[Order] | Refusal:
    account = exchange.account(name)
    if isinstance(account, Refusal):
        return account
    return [order for order in account.live.values() if market is None or order.symbol == market.symbol]
