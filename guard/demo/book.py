"""One order book: price-time priority, in integers. Pure: it knows no accounts, balances, clocks or formats.

A taker trades at the price of the order that was there first. After every step the best bid is below the best ask,
because whatever crosses is matched before anything rests.
"""

from bisect import bisect_left, insort
from enum import StrEnum

import msgspec

from guard.model.names import UnixMs


class Side(StrEnum):
    """What the order wants to do with the base currency."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        """Whom it trades with."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Status(StrEnum):
    """OPEN and PARTLY_FILLED rest in the book. EXPIRED: a market or immediate order found too little to trade with."""

    OPEN = "open"
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Order(msgspec.Struct, kw_only=True):
    """One order and how far it came. `px` 0 takes any price; `turnover` is price times quantity, over all its fills."""

    number: int
    account: str
    symbol: str
    side: Side
    px: int
    qty: int
    created_at: UnixMs
    changed_at: UnixMs
    client_id: str = ""
    immediate: bool = False
    filled: int = 0
    turnover: int = 0
    status: Status = Status.OPEN

    @property
    def remaining(self) -> int:
        """Lots still wanted."""
        return self.qty - self.filled

    @property
    def is_live(self) -> bool:
        """Whether it can still trade."""
        return self.status in (Status.OPEN, Status.PARTLY_FILLED)


class Fill(msgspec.Struct, frozen=True):
    """`qty` lots changed hands at `px` ticks, which was the maker's price."""

    maker: Order
    px: int
    qty: int


class Book:
    """The resting orders of one market."""

    def __init__(self) -> None:
        self._prices: dict[Side, list[int]] = {Side.BUY: [], Side.SELL: []}
        self._queues: dict[Side, dict[int, dict[int, Order]]] = {Side.BUY: {}, Side.SELL: {}}

    def best(self, side: Side) -> int | None:
        """The price that the next taker would get from this side, in ticks."""
        prices = self._prices[side]
        if not prices:
            return None
        return prices[-1] if side is Side.BUY else prices[0]

    def levels(self, side: Side, count: int) -> tuple[tuple[int, int], ...]:
        """(price, lots) of the best `count` prices, best first."""
        prices = self._prices[side]
        nearest = prices[: -count - 1 : -1] if side is Side.BUY else prices[:count]
        return tuple((px, sum(order.remaining for order in self._queues[side][px].values())) for px in nearest)

    def match(self, taker: Order, turnover_max: int | None = None) -> tuple[Fill, ...]:
        """Trades the taker against the other side as far as its price, quantity and `turnover_max` allow."""
        fills: list[Fill] = []
        while taker.remaining and (maker := self._counterpart(taker)) is not None:
            px = maker.px
            qty = min(taker.remaining, maker.remaining)
            if turnover_max is not None:
                qty = min(qty, (turnover_max - taker.turnover) // px)
            if qty == 0:
                break
            for order in (maker, taker):
                _fill(order, px, qty, taker.created_at)
            if not maker.remaining:
                self.remove(maker)
            fills.append(Fill(maker, px, qty))
        return tuple(fills)

    def rest(self, order: Order) -> None:
        """Queues a limit order behind all others of its price."""
        px = order.px
        queues = self._queues[order.side]
        if px not in queues:
            insort(self._prices[order.side], px)
            queues[px] = {}
        queues[px][order.number] = order

    def remove(self, order: Order) -> None:
        """Takes a resting order out."""
        px = order.px
        queues, prices = self._queues[order.side], self._prices[order.side]
        del queues[px][order.number]
        if not queues[px]:
            del queues[px]
            del prices[bisect_left(prices, px)]

    def _counterpart(self, taker: Order) -> Order | None:
        """The order that has waited longest at the best price, if the taker accepts that price."""
        side = taker.side.opposite
        px = self.best(side)
        if px is None or (taker.px and (px > taker.px if taker.side is Side.BUY else px < taker.px)):
            return None
        return next(iter(self._queues[side][px].values()))


def _fill(order: Order, px: int, qty: int, now: UnixMs) -> None:
    order.filled += qty
    order.turnover += px * qty
    order.changed_at = now
    order.status = Status.PARTLY_FILLED if order.remaining else Status.FILLED
