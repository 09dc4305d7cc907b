from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.demo.book import Order, Side, Status
from guard.demo.exchange import HOUSE, OPENING_BALANCES, Account, Exchange, Fault, Placed, Refusal, Wish
from guard.demo.markets import MARKETS
from guard.model.names import UnixMs

BTC = MARKETS[0]
NOW = UnixMs(1_700_000_000_000)

# One step of a random day: (account, side, price or 0 for any, lots, immediate, which of its orders to cancel)
steps = st.lists(
    st.tuples(
        st.sampled_from(["alice", "bob"]),
        st.sampled_from(Side),
        st.sampled_from([0, 6_040_000, 6_049_000, 6_050_000, 6_051_000, 6_060_000]),
        st.integers(1, 1_000_000),
        st.booleans(),
        st.integers(0, 9),
    ),
    max_size=40,
)


def wish(side: Side = Side.BUY, px: int = 6_000_000, qty: int | None = 1_000, **more: object) -> Wish:
    return Wish(market=BTC, side=side, px=px, qty=qty, **more)  # type: ignore[arg-type]


def placed(result: Placed | Refusal) -> Placed:
    assert isinstance(result, Placed)
    return result


def account(exchange: Exchange, name: str) -> Account:
    found = exchange.account(name)
    assert isinstance(found, Account)
    return found


def purse(exchange: Exchange, name: str, asset: str) -> tuple[int, int]:
    balance = account(exchange, name).balances[asset]
    return balance.free, balance.locked


def test_every_demo_starts_with_the_same_book_and_the_first_order_is_number_one() -> None:
    exchange = Exchange()
    assert exchange.depth(BTC, 1) == {Side.BUY: ((6_049_000, 50_000),), Side.SELL: ((6_051_000, 50_000),)}
    assert placed(exchange.place("alice", wish(), NOW)).order.number == 1


def test_a_resting_buy_locks_exactly_its_worth() -> None:
    exchange = Exchange()
    result = placed(exchange.place("alice", wish(), NOW))
    assert (result.order.status, result.fills) == (Status.OPEN, ())
    opening = OPENING_BALANCES["USD"]
    assert purse(exchange, "alice", "USD") == (opening - 6_000_000_000, 6_000_000_000)


def test_a_crossing_buy_pays_the_makers_price_and_unlocks_the_rest() -> None:
    exchange = Exchange()
    result = placed(exchange.place("alice", wish(px=7_000_000), NOW))
    assert result.order.status is Status.FILLED
    assert purse(exchange, "alice", "USD") == (OPENING_BALANCES["USD"] - 6_051_000 * 1_000, 0)
    assert purse(exchange, "alice", "BTC") == (OPENING_BALANCES["BTC"] + 1_000, 0)


def test_what_does_not_trade_at_once_rests_unless_it_is_immediate() -> None:
    exchange = Exchange()
    resting = placed(exchange.place("alice", wish(px=6_051_000, qty=60_000), NOW)).order
    assert (resting.status, resting.filled) == (Status.PARTLY_FILLED, 50_000)
    gone = placed(exchange.place("bob", wish(side=Side.SELL, px=6_051_000, qty=20_000, immediate=True), NOW)).order
    assert (gone.status, gone.filled) == (Status.EXPIRED, 10_000)
    assert purse(exchange, "bob", "BTC")[1] == 0


def test_a_cancel_gives_back_what_was_locked_once() -> None:
    exchange = Exchange()
    number = placed(exchange.place("alice", wish(), NOW)).order.number
    cancelled = exchange.cancel("alice", number, NOW)
    assert isinstance(cancelled, Order)
    assert cancelled.status is Status.CANCELLED
    assert purse(exchange, "alice", "USD") == (OPENING_BALANCES["USD"], 0)
    again = exchange.cancel("alice", number, NOW)
    assert isinstance(again, Refusal)
    assert again.fault is Fault.NOT_OPEN


def test_nobody_can_cancel_or_see_the_order_of_another_account() -> None:
    exchange = Exchange()
    number = placed(exchange.place("alice", wish(), NOW)).order.number
    refused = exchange.cancel("bob", number, NOW)
    assert isinstance(refused, Refusal)
    assert number not in account(exchange, "bob").live
    assert account(exchange, "alice").live[number].status is Status.OPEN


def test_a_market_order_with_a_budget_spends_no_more_than_that() -> None:
    exchange = Exchange()
    bought = placed(exchange.place("alice", wish(px=0, qty=None, turnover_max=6_051_000 * 3 + 7), NOW)).order
    assert (bought.status, bought.qty, bought.filled, bought.turnover) == (Status.FILLED, 3, 3, 18_153_000)
    sold = placed(exchange.place("alice", wish(Side.SELL, px=0, qty=None, turnover_max=6_049_000 * 2), NOW)).order
    assert (sold.qty, sold.turnover) == (2, 12_098_000)
    assert purse(exchange, "alice", "BTC") == (OPENING_BALANCES["BTC"] + 1, 0)


def test_a_market_order_that_finds_nobody_expires() -> None:
    exchange = Exchange()
    everything = 10**7
    bought = placed(exchange.place("alice", wish(px=0, qty=everything), NOW)).order
    assert (bought.status, bought.filled) == (Status.EXPIRED, 2_135_000)
    assert placed(exchange.place("alice", wish(px=0, qty=None, turnover_max=10**9), NOW)).order.status is Status.EXPIRED
    assert purse(exchange, "alice", "USD")[1] == 0


@pytest.mark.parametrize(
    "asked",
    [
        wish(px=90_000_000, qty=10**9),
        wish(Side.SELL, qty=OPENING_BALANCES["BTC"] + 1),
        wish(px=0, qty=None, turnover_max=OPENING_BALANCES["USD"] + 1),
        wish(px=0, qty=0, turnover_max=0),
    ],
)
def test_nobody_spends_what_they_do_not_have(asked: Wish) -> None:
    exchange = Exchange()
    refused = exchange.place("alice", asked, NOW)
    assert isinstance(refused, Refusal)
    assert refused.fault is Fault.INSUFFICIENT_BALANCE
    assert purse(exchange, "alice", "USD") == (OPENING_BALANCES["USD"], 0)


def test_an_open_client_order_id_is_not_used_twice() -> None:
    exchange = Exchange()
    placed(exchange.place("alice", wish(client_id="mine"), NOW))
    again = exchange.place("alice", wish(client_id="mine"), NOW)
    assert isinstance(again, Refusal)
    assert again.fault is Fault.DUPLICATE_ORDER
    placed(exchange.place("bob", wish(client_id="mine"), NOW))


def test_orders_and_accounts_are_capped() -> None:
    exchange = Exchange(accounts_max=1, live_max=25, closed_max=2)
    numbers = [placed(exchange.place("alice", wish(px=1, qty=1), NOW)).order.number for _ in range(25)]
    full = exchange.place("alice", wish(px=1, qty=1), NOW)
    assert isinstance(full, Refusal)
    assert full.fault is Fault.TOO_MANY_ORDERS
    for number in numbers[:3]:
        exchange.cancel("alice", number, NOW)
    assert list(account(exchange, "alice").closed) == numbers[1:3]
    for crowded in (exchange.account("bob"), exchange.place("bob", wish(), NOW), exchange.cancel("bob", 1, NOW)):
        assert isinstance(crowded, Refusal)
        assert crowded.fault is Fault.TOO_MANY_ACCOUNTS


@given(steps)
def test_balances_are_conserved_and_locked_is_what_open_orders_need(
    day: list[tuple[str, Side, int, int, bool, int]],
) -> None:
    exchange, names = Exchange(), (HOUSE, "alice", "bob")
    before = _totals(exchange, names)
    for name, side, px, qty, immediate, cancel in day:
        exchange.place(name, wish(side, px, qty, immediate=immediate), NOW)
        live = list(account(exchange, name).live)
        if cancel < len(live):
            exchange.cancel(name, live[cancel], NOW)
        assert _totals(exchange, names) == before
        for each in names:
            _assert_locks_fit(account(exchange, each))


def _totals(exchange: Exchange, names: tuple[str, ...]) -> Counter[str]:
    totals: Counter[str] = Counter()
    for name in names:
        for asset in OPENING_BALANCES:
            totals[asset] += sum(purse(exchange, name, asset))
    return totals


def _assert_locks_fit(holder: Account) -> None:
    needed = Counter(dict.fromkeys(OPENING_BALANCES, 0))
    for order in holder.live.values():
        base = order.symbol.partition("-")[0]
        if order.side is Side.BUY:
            needed["USD"] += order.px * order.remaining
        else:
            needed[base] += order.remaining
    assert {asset: balance.locked for asset, balance in holder.balances.items()} == dict(needed)
    assert all(balance.free >= 0 for balance in holder.balances.values())
