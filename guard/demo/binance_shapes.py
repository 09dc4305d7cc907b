"""How Binance says it: orders, balances, books and errors in the shapes of its spot REST API."""

from guard.demo.book import Order, Side, Status
from guard.demo.exchange import Account, Fault, Placed, Refusal, Wish
from guard.demo.face import Answer
from guard.demo.markets import LOT_PLACES, PRICE_PLACES, QUOTE_PLACES, Market, decimal, places_of
from guard.model.names import UnixMs

SHOWN_PLACES = 8

_STATUS = {
    Status.OPEN: "NEW",
    Status.PARTLY_FILLED: "PARTIALLY_FILLED",
    Status.FILLED: "FILLED",
    Status.CANCELLED: "CANCELED",
    Status.EXPIRED: "EXPIRED",
}
_ERRORS: dict[Fault, tuple[int, int, str | None]] = {
    # fault: HTTP status, Binance's code, Binance's own words where clients compare them
    Fault.BAD_REQUEST: (400, -1100, None),
    Fault.BAD_PARAMETER: (400, -1116, None),
    Fault.DUPLICATE_PARAMETER: (400, -1101, None),
    Fault.MISSING_PARAMETER: (400, -1102, None),
    Fault.FILTER: (400, -1013, None),
    Fault.UNKNOWN_SYMBOL: (400, -1121, None),
    Fault.INSUFFICIENT_BALANCE: (400, -2010, "Account has insufficient balance for requested action."),
    Fault.DUPLICATE_ORDER: (400, -2010, "Duplicate order sent."),
    Fault.TOO_MANY_ORDERS: (400, -1013, "Filter failure: MAX_NUM_ORDERS"),
    Fault.TOO_MANY_ACCOUNTS: (503, -1008, None),
    Fault.NOT_OPEN: (400, -2011, "Unknown order sent."),
    Fault.UNKNOWN_ORDER: (400, -2013, None),
    Fault.NO_IDENTITY: (401, -2015, "Invalid API-key, IP, or permissions for action."),
    Fault.NOT_FOUND: (404, -1000, None),
    Fault.METHOD: (405, -1000, None),
}


def error_answer(refusal: Refusal) -> Answer:
    """`{"code": -1121, "msg": "Invalid symbol."}`"""
    status, code, words = _ERRORS[refusal.fault]
    return Answer(status, {"code": code, "msg": words or refusal.detail})


def exchange_text(markets: tuple[Market, ...], now: UnixMs) -> object:
    """What `load_markets` of a client reads: symbols, precisions and filters."""
    return {
        "timezone": "UTC",
        "serverTime": now,
        "rateLimits": [],
        "exchangeFilters": [],
        "symbols": [_symbol_text(market) for market in markets],
    }


def depth_text(sides: dict[Side, tuple[tuple[int, int], ...]]) -> object:
    """Levels as pairs of price and quantity."""
    return {
        "lastUpdateId": 1,
        "bids": [[_price(px), _lots(lots)] for px, lots in sides[Side.BUY]],
        "asks": [[_price(px), _lots(lots)] for px, lots in sides[Side.SELL]],
    }


def account_text(account: Account, now: UnixMs) -> object:
    """Balances of a spot account without fees."""
    return {
        "makerCommission": 0,
        "takerCommission": 0,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "updateTime": now,
        "accountType": "SPOT",
        "permissions": ["SPOT"],
        "balances": [
            {
                "asset": "USDT" if asset == "USD" else asset,
                "free": decimal(balance.free, places_of(asset), SHOWN_PLACES),
                "locked": decimal(balance.locked, places_of(asset), SHOWN_PLACES),
            }
            for asset, balance in account.balances.items()
        ],
    }


def placed_text(placed: Placed, wish: Wish) -> object:
    """The answer to a new order: the order, when it was taken, and its fills (`newOrderRespType=FULL`)."""
    order = placed.order
    fills = [
        {
            "price": _price(fill.px),
            "qty": _lots(fill.qty),
            "commission": _lots(0),
            "commissionAsset": wish.market.binance_quote,
            "tradeId": number,
        }
        for number, fill in enumerate(placed.fills)
    ]
    return {**order_text(order, wish.market), "transactTime": order.created_at, "fills": fills}


def order_text(order: Order, market: Market) -> dict[str, object]:
    """One order as `GET /api/v3/order` gives it."""
    client_id = order.client_id or f"demo-{order.number}"
    return {
        "symbol": market.binance_symbol,
        "orderId": order.number,
        "orderListId": -1,
        "clientOrderId": client_id,
        "origClientOrderId": client_id,
        "price": _price(order.px),
        "origQty": _lots(order.qty),
        "executedQty": _lots(order.filled),
        "cummulativeQuoteQty": decimal(order.turnover, QUOTE_PLACES, SHOWN_PLACES),
        "origQuoteOrderQty": _lots(0),
        "status": _STATUS[order.status],
        "timeInForce": "IOC" if order.immediate and order.px else "GTC",
        "type": "LIMIT" if order.px else "MARKET",
        "side": order.side.upper(),
        "stopPrice": _lots(0),
        "icebergQty": _lots(0),
        "time": order.created_at,
        "updateTime": order.changed_at,
        "workingTime": order.created_at,
        "isWorking": True,
        "selfTradePreventionMode": "NONE",
    }


def _symbol_text(market: Market) -> object:
    tick, lot, largest = _price(1), _lots(1), "900000000.00000000"
    return {
        "symbol": market.binance_symbol,
        "status": "TRADING",
        "baseAsset": market.base,
        "baseAssetPrecision": SHOWN_PLACES,
        "quoteAsset": market.binance_quote,
        "quotePrecision": SHOWN_PLACES,
        "quoteAssetPrecision": SHOWN_PLACES,
        "orderTypes": ["LIMIT", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": largest, "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": largest, "stepSize": lot},
        ],
        "permissions": ["SPOT"],
    }


def _price(px: int) -> str:
    return decimal(px, PRICE_PLACES, SHOWN_PLACES)


def _lots(lots: int) -> str:
    return decimal(lots, LOT_PLACES, SHOWN_PLACES)
