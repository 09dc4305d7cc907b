"""What a Binance client asks for: parameters of query and form body, read strictly into the terms of the exchange."""

import re
from typing import TypeAlias
from urllib.parse import parse_qsl

import msgspec

from guard.demo.book import Order, Side
from guard.demo.exchange import Fault, Refusal, Wish
from guard.demo.face import Call
from guard.demo.markets import LOT_PLACES, MARKETS, PRICE_PLACES, QUOTE_PLACES, Market, units

DEPTH_LEVELS_MAX = 5_000
PARAMETERS_MAX = 32

Parameters: TypeAlias = dict[str, str]

_BY_SYMBOL = {market.binance_symbol: market for market in MARKETS}
_NUMBER = re.compile(r"[1-9][0-9]{0,14}", re.ASCII)
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}", re.ASCII)


class WishedOrder(msgspec.Struct, frozen=True):
    """Which order is meant: by number, by client order id, or by both, which must then agree."""

    symbol: str
    number: int | None
    client_id: str | None

    def names(self, order: Order) -> bool:
        """Whether this is the order."""
        return (
            order.symbol == self.symbol
            and self.number in (None, order.number)
            and self.client_id in (None, order.client_id)
        )


def parameters(call: Call) -> Parameters | Refusal:
    """All parameters, each given once. Binance lets the query win over the body; here a repeat is refused."""
    try:
        pairs = [*_pairs(call.query), *_pairs(call.body.decode("ascii"))]
    except ValueError:
        return Refusal(Fault.BAD_REQUEST, "Illegal characters found in a parameter.")
    values = dict(pairs)
    if len(values) != len(pairs):
        return Refusal(Fault.DUPLICATE_PARAMETER, "Duplicate values for a parameter detected.")
    return values


def market_of(asked: Parameters) -> Market | Refusal:
    """The market that `symbol` names."""
    if "symbol" not in asked:
        return missing("symbol")
    return _BY_SYMBOL.get(asked["symbol"]) or Refusal(Fault.UNKNOWN_SYMBOL, "Invalid symbol.")


def depth_limit(asked: Parameters) -> int | Refusal:
    """How many levels."""
    limit = asked.get("limit", "100")
    if _NUMBER.fullmatch(limit) is None or int(limit) > DEPTH_LEVELS_MAX:
        return illegal("limit")
    return int(limit)


def wished_order(asked: Parameters) -> WishedOrder | Refusal:
    """The order that `orderId` or `origClientOrderId` names."""
    market = market_of(asked)
    if isinstance(market, Refusal):
        return market
    number, client_id = asked.get("orderId"), asked.get("origClientOrderId")
    if number is None and client_id is None:
        return Refusal(
            Fault.MISSING_PARAMETER, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty."
        )
    if number is not None and _NUMBER.fullmatch(number) is None:
        return illegal("orderId")
    return WishedOrder(market.symbol, None if number is None else int(number), client_id)


def wish_of(asked: Parameters) -> Wish | Refusal:
    """The order that `POST /api/v3/order` asks for."""
    market = market_of(asked)
    if isinstance(market, Refusal):
        return market
    for name in ("side", "type"):
        if name not in asked:
            return missing(name)
    if asked["side"] not in ("BUY", "SELL"):
        return Refusal(Fault.BAD_PARAMETER, "Invalid side.")
    if _CLIENT_ID.fullmatch(asked.get("newClientOrderId", "-")) is None:
        return illegal("newClientOrderId")
    if asked["type"] == "LIMIT":
        return _limit_wish(asked, market)
    if asked["type"] == "MARKET":
        return _market_wish(asked, market)
    return Refusal(Fault.BAD_PARAMETER, "Invalid orderType.")


def missing(name: str) -> Refusal:
    """A mandatory parameter is not there."""
    return Refusal(Fault.MISSING_PARAMETER, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str) -> Refusal:
    """A parameter has no form that it may have."""
    return Refusal(Fault.BAD_REQUEST, f"Illegal characters found in parameter '{name}'.")


def _limit_wish(asked: Parameters, market: Market) -> Wish | Refusal:
    for name in ("timeInForce", "quantity", "price"):
        if name not in asked:
            return missing(name)
    if asked["timeInForce"] not in ("GTC", "IOC"):
        return Refusal(Fault.BAD_PARAMETER, "Invalid timeInForce.")
    px, qty = units(asked["price"], PRICE_PLACES), units(asked["quantity"], LOT_PLACES)
    if not px or not qty:
        return Refusal(Fault.FILTER, "Filter failure: " + ("LOT_SIZE" if px else "PRICE_FILTER"))
    return Wish(
        market=market,
        side=Side(asked["side"].lower()),
        px=px,
        qty=qty,
        immediate=asked["timeInForce"] == "IOC",
        client_id=asked.get("newClientOrderId", ""),
    )


def _market_wish(asked: Parameters, market: Market) -> Wish | Refusal:
    """Exactly one of `quantity` and `quoteOrderQty`."""
    if ("quantity" in asked) == ("quoteOrderQty" in asked):
        return missing("quantity")
    qty = units(asked.get("quantity", "0"), LOT_PLACES)
    turnover_max = units(asked.get("quoteOrderQty", "0"), QUOTE_PLACES)
    if not qty and not turnover_max:
        return Refusal(Fault.FILTER, "Filter failure: MARKET_LOT_SIZE")
    return Wish(
        market=market,
        side=Side(asked["side"].lower()),
        px=0,
        qty=qty or None,
        turnover_max=turnover_max or None,
        client_id=asked.get("newClientOrderId", ""),
    )


def _pairs(text: str) -> list[tuple[str, str]]:
    if not text:
        return []
    return parse_qsl(
        text,
        keep_blank_values=True,
        strict_parsing=True,
        encoding="utf-8",
        errors="strict",
        max_num_fields=PARAMETERS_MAX,
    )
