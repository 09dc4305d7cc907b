"""The exchange: accounts with balances, and the books they trade on. Pure; the faces only translate from and to it.

Whoever calls names the account, and is believed: authentication is the gateway's. An account sees its own orders only.
Memory is bounded: accounts, open orders and remembered closed orders are capped. There are no fees.
"""

from collections.abc import Iterator
from enum import StrEnum
from itertools import count

import msgspec

from guard.demo.book import Book, Fill, Order, Side, Status
from guard.demo.markets import LOT_PLACES, MARKETS, QUOTE_PLACES, SEED_LOTS, Market
from guard.model.names import UnixMs

HOUSE = ""
"""The account behind the seeded orders. No client can be it: an empty identity is no identity."""

OPENING_BALANCES = {
    "USD": 10_000_000 * 10**QUOTE_PLACES,
    "BTC": 100 * 10**LOT_PLACES,
    "ETH": 1_000 * 10**LOT_PLACES,
}


class Fault(StrEnum):
    """Why the exchange does not do it. Each face says this in its own dialect."""

    BAD_REQUEST = "bad_request"
    BAD_PARAMETER = "bad_parameter"
    MISSING_PARAMETER = "missing_parameter"
    DUPLICATE_PARAMETER = "duplicate_parameter"
    FILTER = "filter"
    UNKNOWN_SYMBOL = "unknown_symbol"
    UNKNOWN_ORDER = "unknown_order"
    NOT_OPEN = "not_open"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    DUPLICATE_ORDER = "duplicate_order"
    TOO_MANY_ORDERS = "too_many_orders"
    TOO_MANY_ACCOUNTS = "too_many_accounts"
    NO_IDENTITY = "no_identity"
    NOT_FOUND = "not_found"
    METHOD = "method_not_allowed"


class Refusal(msgspec.Struct, frozen=True):
    """A No as a value; nothing was changed."""

    fault: Fault
    detail: str


class Balance(msgspec.Struct):
    """Units of one asset: `locked` is held for open orders."""

    free: int = 0
    locked: int = 0


class Account(msgspec.Struct, kw_only=True):
    """Balances by asset, and orders by number in the order they came."""

    name: str
    balances: dict[str, Balance]
    live: dict[int, Order] = msgspec.field(default_factory=dict)
    closed: dict[int, Order] = msgspec.field(default_factory=dict)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """An order as asked for, in integers. `px` 0 takes any price; `turnover_max` bounds what such an order trades for,
    and its `qty` None means as much as that allows.
    """

    market: Market
    side: Side
    px: int
    qty: int | None
    turnover_max: int | None = None
    immediate: bool = False
    client_id: str = ""


class Placed(msgspec.Struct, frozen=True):
    """The order as it stands now, and the trades it made at once."""

    order: Order
    fills: tuple[Fill, ...]


class Exchange:
    """All state of the demo. The book of each market is seeded with the same levels each time."""

    def __init__(self, *, accounts_max: int = 100, live_max: int = 1_000, closed_max: int = 200) -> None:
        self._accounts_max, self._live_max, self._closed_max = accounts_max, live_max, closed_max
        self._books = {market.symbol: Book() for market in MARKETS}
        self._accounts: dict[str, Account] = {}
        self._numbers: Iterator[int] = count(-1, -1)
        self._seed()
        self._numbers = count(1)

    def depth(self, market: Market, levels: int) -> dict[Side, tuple[tuple[int, int], ...]]:
        """(price, lots) by side, best first."""
        return {side: self._books[market.symbol].levels(side, levels) for side in Side}

    def account(self, name: str) -> Account | Refusal:
        """The account of this name, opened with `OPENING_BALANCES` when it is first seen."""
        found = self._accounts.get(name)
        if found is not None:
            return found
        if len(self._accounts) > self._accounts_max:
            return Refusal(Fault.TOO_MANY_ACCOUNTS, "this demo has no room for another account")
        balances = {asset: Balance(free=amount) for asset, amount in OPENING_BALANCES.items()}
        return self._accounts.setdefault(name, Account(name=name, balances=balances))

    def place(self, name: str, wish: Wish, now: UnixMs) -> Placed | Refusal:
        """Locks what the order may cost, matches it, and rests what is left if it is a limit order."""
        account = self.account(name)
        if isinstance(account, Refusal):
            return account
        if len(account.live) >= self._live_max:
            return Refusal(Fault.TOO_MANY_ORDERS, f"{self._live_max} orders are open; cancel some first")
        if wish.client_id and any(order.client_id == wish.client_id for order in account.live.values()):
            return Refusal(Fault.DUPLICATE_ORDER, "an open order has this client order id")
        purse = account.balances[_pays_in(wish.market, wish.side)]
        hold = _hold(wish, purse.free)
        if hold > purse.free or hold == 0:
            return Refusal(Fault.INSUFFICIENT_BALANCE, "the free balance is smaller than the order")
        return self._execute(account, wish, hold, now)

    def cancel(self, name: str, number: int, now: UnixMs) -> Order | Refusal:
        """Takes an open order out of the book and unlocks what it held."""
        account = self.account(name)
        if isinstance(account, Refusal):
            return account
        order = account.live.get(number)
        if order is None:
            return Refusal(Fault.NOT_OPEN, "no open order of this account has this id")
        self._books[order.symbol].remove(order)
        market = next(market for market in MARKETS if market.symbol == order.symbol)
        purse = account.balances[_pays_in(market, order.side)]
        held = _worth(order.side, order.px, order.remaining)
        purse.locked -= held
        purse.free += held
        order.status, order.changed_at = Status.CANCELLED, now
        self._close(order)
        return order

    def _execute(self, account: Account, wish: Wish, hold: int, now: UnixMs) -> Placed:
        order = Order(
            number=next(self._numbers),
            account=account.name,
            symbol=wish.market.symbol,
            side=wish.side,
            px=wish.px,
            qty=hold if wish.qty is None else wish.qty,  # more than it can trade: each lot costs at least one unit
            created_at=now,
            changed_at=now,
            client_id=wish.client_id,
            immediate=wish.immediate or not wish.px,
        )
        purse = account.balances[_pays_in(wish.market, wish.side)]
        purse.free -= hold
        purse.locked += hold
        account.live[order.number] = order
        fills = self._books[order.symbol].match(order, _turnover_max(wish, hold))
        for fill in fills:
            self._settle(wish.market, order, fill)
        self._finish(order, wish, hold - _paid(order), purse)
        return Placed(order, fills)

    def _settle(self, market: Market, taker: Order, fill: Fill) -> None:
        """Each side pays from what it had locked and receives as free balance."""
        for order in (taker, fill.maker):
            balances = self._accounts[order.account].balances
            balances[_pays_in(market, order.side)].locked -= _worth(order.side, fill.px, fill.qty)
            gained = balances[_pays_in(market, order.side.opposite)]
            gained.free += _worth(order.side.opposite, fill.px, fill.qty)
        if not fill.maker.remaining:
            self._close(fill.maker)

    def _finish(self, order: Order, wish: Wish, held: int, purse: Balance) -> None:
        """Rests the order or ends it, and unlocks what it no longer needs."""
        needed = 0
        if order.remaining and not order.immediate:
            self._books[order.symbol].rest(order)
            needed = _worth(order.side, order.px, order.remaining)
        elif order.remaining and wish.qty is None and order.filled:
            order.qty, order.status = order.filled, Status.FILLED
        elif order.remaining:
            order.status = Status.EXPIRED
        purse.locked -= held - needed
        purse.free += held - needed
        if not order.is_live:
            self._close(order)

    def _close(self, order: Order) -> None:
        account = self._accounts[order.account]
        del account.live[order.number]
        account.closed[order.number] = order
        if len(account.closed) > self._closed_max:
            del account.closed[next(iter(account.closed))]

    def _seed(self) -> None:
        self.account(HOUSE)
        for market in MARKETS:
            for step, lots in enumerate(SEED_LOTS, start=1):
                for side, px in (
                    (Side.BUY, market.mid - step * market.step),
                    (Side.SELL, market.mid + step * market.step),
                ):
                    self.place(HOUSE, Wish(market=market, side=side, px=px, qty=lots), UnixMs(0))


def _pays_in(market: Market, side: Side) -> str:
    return market.quote if side is Side.BUY else market.base


def _worth(side: Side, px: int, lots: int) -> int:
    """What this side gives for so many lots, in units of the asset it pays in."""
    return px * lots if side is Side.BUY else lots


def _paid(order: Order) -> int:
    return order.turnover if order.side is Side.BUY else order.filled


def _hold(wish: Wish, free: int) -> int:
    """What to lock: the limit order's worth, else the bound that was given, else all there is."""
    if wish.px:
        return _worth(wish.side, wish.px, wish.qty or 0)
    if wish.side is Side.SELL:
        return free if wish.qty is None else wish.qty
    return free if wish.turnover_max is None else wish.turnover_max


def _turnover_max(wish: Wish, hold: int) -> int | None:
    if wish.px:
        return None
    return hold if wish.side is Side.BUY else wish.turnover_max
