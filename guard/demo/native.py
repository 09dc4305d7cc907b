"""The native face: `/v1/…`, JSON in and out. Amounts are decimal strings; ids look like `o-7`."""

import json
import re
from typing import Literal
from urllib.parse import parse_qsl

import msgspec

from guard.demo.book import Order, Side
from guard.demo.exchange import Account, Exchange, Fault, Refusal, Wish
from guard.demo.face import Answer, Call, Endpoint, Face
from guard.demo.markets import LOT_PLACES, MARKETS, PRICE_PLACES, Market, decimal, places_of, units

DEPTH_LEVELS_MAX = 100

_STATUS = {
    Fault.INSUFFICIENT_BALANCE: 422,
    Fault.DUPLICATE_ORDER: 409,
    Fault.TOO_MANY_ORDERS: 422,
    Fault.TOO_MANY_ACCOUNTS: 503,
    Fault.UNKNOWN_ORDER: 404,
    Fault.NOT_OPEN: 404,
    Fault.NO_IDENTITY: 401,
    Fault.NOT_FOUND: 404,
    Fault.METHOD: 405,
}
_BY_SYMBOL = {market.symbol: market for market in MARKETS}
_ORDER_ID = re.compile(r"o-([1-9][0-9]{0,14})", re.ASCII)
_LIMIT = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)


class NewOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/orders`. A JSON number is refused: it would have been a float somewhere."""

    symbol: str
    side: Literal["buy", "sell"]
    qty: str
    px: str


def _time(_exchange: Exchange, call: Call) -> object:
    return {"time_ms": call.now}


def _depth(exchange: Exchange, call: Call) -> object | Refusal:
    asked = _query(call.query, frozenset({"symbol", "limit"}))
    if isinstance(asked, Refusal):
        return asked
    market, limit = _market(asked.get("symbol", "")), asked.get("limit", "10")
    if isinstance(market, Refusal):
        return market
    if _LIMIT.fullmatch(limit) is None or int(limit) > DEPTH_LEVELS_MAX:
        return Refusal(Fault.BAD_REQUEST, f"limit is a number from 1 to {DEPTH_LEVELS_MAX}")
    sides = exchange.depth(market, int(limit))
    return {
        "symbol": market.symbol,
        "bids": [[decimal(px, PRICE_PLACES), decimal(lots, LOT_PLACES)] for px, lots in sides[Side.BUY]],
        "asks": [[decimal(px, PRICE_PLACES), decimal(lots, LOT_PLACES)] for px, lots in sides[Side.SELL]],
    }


def _account(exchange: Exchange, call: Call) -> object | Refusal:
    account = exchange.account(call.account)
    if isinstance(account, Refusal):
        return account
    balances = {
        asset: {"free": decimal(balance.free, places_of(asset)), "locked": decimal(balance.locked, places_of(asset))}
        for asset, balance in account.balances.items()
    }
    return {"account": account.name, "balances": balances}


def _orders(exchange: Exchange, call: Call) -> object | Refusal:
    account = exchange.account(call.account)
    if isinstance(account, Refusal):
        return account
    return {"orders": [_order_text(order) for order in account.live.values()]}


def _place(exchange: Exchange, call: Call) -> object | Refusal:
    asked = _new_order(call.body)
    if isinstance(asked, Refusal):
        return asked
    market = _market(asked.symbol)
    if isinstance(market, Refusal):
        return market
    px, qty = units(asked.px, PRICE_PLACES), units(asked.qty, LOT_PLACES)
    if not px or not qty:
        return Refusal(
            Fault.BAD_REQUEST,
            f"px and qty are positive decimals in quotes, px with at most {PRICE_PLACES} places, qty with {LOT_PLACES}",
        )
    placed = exchange.place(call.account, Wish(market=market, side=Side(asked.side), px=px, qty=qty), call.now)
    if isinstance(placed, Refusal):
        return placed
    return {"id": f"o-{placed.order.number}", "status": placed.order.status}


def _read(exchange: Exchange, call: Call) -> object | Refusal:
    account = exchange.account(call.account)
    if isinstance(account, Refusal):
        return account
    order = _own_order(account, call.path["id"])
    return order if isinstance(order, Refusal) else _order_text(order)


def _cancel(exchange: Exchange, call: Call) -> object | Refusal:
    number = _number(call.path["id"])
    if number is None:
        return Refusal(Fault.UNKNOWN_ORDER, "no order has this id")
    cancelled = exchange.cancel(call.account, number, call.now)
    return cancelled if isinstance(cancelled, Refusal) else _order_text(cancelled)


def _refuse(refusal: Refusal) -> Answer:
    return Answer(_STATUS.get(refusal.fault, 400), {"error": {"code": refusal.fault, "message": refusal.detail}})


NATIVE = Face(
    prefix="/v1",
    endpoints=(
        Endpoint("GET", "/v1/time", _time),
        Endpoint("GET", "/v1/depth", _depth),
        Endpoint("GET", "/v1/account", _account, private=True),
        Endpoint("GET", "/v1/orders", _orders, private=True),
        Endpoint("POST", "/v1/orders", _place, private=True),
        Endpoint("GET", "/v1/orders/{id}", _read, private=True),
        Endpoint("DELETE", "/v1/orders/{id}", _cancel, private=True),
    ),
    refuse=_refuse,
)


def _market(symbol: str) -> Market | Refusal:
    known = ", ".join(_BY_SYMBOL)
    return _BY_SYMBOL.get(symbol) or Refusal(Fault.UNKNOWN_SYMBOL, f"symbol is one of {known}")


def _query(query: str, known: frozenset[str]) -> dict[str, str] | Refusal:
    """The query's parameters: each known, each once."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict", max_num_fields=8)
    except ValueError:
        return Refusal(Fault.BAD_REQUEST, "the query cannot be read")
    values = dict(pairs)
    if len(values) != len(pairs) or not values.keys() <= known:
        return Refusal(Fault.BAD_REQUEST, "the query takes, once each: " + ", ".join(sorted(known)))
    return values


def _new_order(body: bytes) -> NewOrder | Refusal:
    try:
        return msgspec.convert(json.loads(body.decode(), object_pairs_hook=_each_once), NewOrder)
    except (ValueError, RecursionError) as fault:
        reason = (
            str(fault) if isinstance(fault, msgspec.ValidationError) else "it is not one JSON object without repeats"
        )
        return Refusal(Fault.BAD_REQUEST, f"the body cannot be read as an order: {reason}")


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """RFC 8259 §4 leaves repeated names undefined: two programs may read two different orders."""
    named = dict(pairs)
    if len(named) != len(pairs):
        raise ValueError("repeated name")
    return named


def _number(order_id: str) -> int | None:
    found = _ORDER_ID.fullmatch(order_id)
    return None if found is None else int(found[1])


def _own_order(account: Account, order_id: str) -> Order | Refusal:
    number = _number(order_id)
    if number is not None and (found := account.live.get(number) or account.closed.get(number)):
        return found
    return Refusal(Fault.UNKNOWN_ORDER, "no order of this account has this id")


def _order_text(order: Order) -> dict[str, object]:
    """An order that came through the other face may have no price: then `px` is null."""
    return {
        "id": f"o-{order.number}",
        "symbol": order.symbol,
        "side": order.side,
        "px": decimal(order.px, PRICE_PLACES) if order.px else None,
        "qty": decimal(order.qty, LOT_PLACES),
        "filled": decimal(order.filled, LOT_PLACES),
        "status": order.status,
        "created_ms": order.created_at,
    }
