"""What is traded here, and the integers it is traded in. Decimal text is read strictly; nothing is ever a float.

A price is a number of ticks (0.01 of the quote currency) and a quantity a number of lots (0.00001 of the base
currency), so price times quantity is exact: a number of quote units (0.0000001).
"""

import re

import msgspec

PRICE_PLACES = 2
LOT_PLACES = 5
QUOTE_PLACES = PRICE_PLACES + LOT_PLACES

_DECIMAL = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,18})?", re.ASCII)


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """One order book's name in each dialect. It is seeded around the price `mid`, in steps of `step` ticks."""

    symbol: str
    binance_symbol: str
    base: str
    mid: int
    step: int
    quote: str = "USD"
    binance_quote: str = "USDT"


MARKETS: tuple[Market, ...] = (
    Market(symbol="BTC-USD", binance_symbol="BTCUSDT", base="BTC", mid=60_500_00, step=10_00),
    Market(symbol="ETH-USD", binance_symbol="ETHUSDT", base="ETH", mid=2_500_00, step=50),
)

SEED_LOTS: tuple[int, ...] = (50_000, 75_000, 120_000, 90_000, 200_000, 150_000, 300_000, 250_000, 500_000, 400_000)
"""The quantity that stands at each step away from the middle, on either side."""


def places_of(asset: str) -> int:
    """How many decimal places an integer amount of this asset stands for."""
    return QUOTE_PLACES if asset == "USD" else LOT_PLACES


def units(text: str, places: int) -> int | None:
    """The integer for a plain decimal such as `0.01`; None for any other text, and for more places than there are."""
    if _DECIMAL.fullmatch(text) is None:
        return None
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    return None if len(fraction) > places else int(whole + fraction.ljust(places, "0"))


def decimal(amount: int, places: int, shown: int | None = None) -> str:
    """The decimal for an integer amount (not negative), with `shown` places if that is more than `places`."""
    whole, fraction = divmod(amount, 10**places)
    return f"{whole}.{fraction:0{places}d}".ljust(len(str(whole)) + 1 + (shown or places), "0")
