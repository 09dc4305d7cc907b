import msgspec
from hypothesis import given
from hypothesis import strategies as st

from guard.demo.book import Book, Order, Side, Status
from guard.model.names import UnixMs

orders = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(95, 105), st.integers(1, 20)),
    max_size=60,
)


def order(number: int, side: Side, px: int, qty: int) -> Order:
    return Order(
        number=number, account="a", symbol="X", side=side, px=px, qty=qty, created_at=UnixMs(0), changed_at=UnixMs(0)
    )


def book_with(*resting: Order) -> Book:
    book = Book()
    for each in resting:
        book.rest(each)
    return book


def test_the_better_price_trades_first() -> None:
    dear, cheap = order(1, Side.SELL, 101, 5), order(2, Side.SELL, 100, 5)
    taker = order(3, Side.BUY, 101, 7)
    fills = book_with(dear, cheap).match(taker)
    assert [(fill.maker.number, fill.px, fill.qty) for fill in fills] == [(2, 100, 5), (1, 101, 2)]
    assert taker.turnover == 5 * 100 + 2 * 101


def test_at_one_price_the_longest_waiting_trades_first() -> None:
    first, second = order(1, Side.BUY, 100, 5), order(2, Side.BUY, 100, 5)
    fills = book_with(first, second).match(order(3, Side.SELL, 100, 6))
    assert [(fill.maker.number, fill.qty) for fill in fills] == [(1, 5), (2, 1)]
    assert (first.status, second.status) == (Status.FILLED, Status.PARTLY_FILLED)


def test_a_taker_never_pays_more_than_its_price() -> None:
    assert book_with(order(1, Side.SELL, 101, 5)).match(order(2, Side.BUY, 100, 5)) == ()
    assert book_with(order(1, Side.BUY, 99, 5)).match(order(2, Side.SELL, 100, 5)) == ()


def test_an_order_without_a_price_takes_any() -> None:
    assert len(book_with(order(1, Side.SELL, 101, 5)).match(order(2, Side.BUY, 0, 5))) == 1
    assert len(book_with(order(1, Side.BUY, 1, 5)).match(order(2, Side.SELL, 0, 5))) == 1


def test_turnover_is_bounded_to_whole_lots() -> None:
    taker = order(2, Side.BUY, 0, 1_000)
    book_with(order(1, Side.SELL, 100, 50)).match(taker, turnover_max=350)
    assert (taker.filled, taker.turnover) == (3, 300)


def test_only_resting_states_are_live() -> None:
    live = {status for status in Status if msgspec.structs.replace(order(1, Side.BUY, 1, 1), status=status).is_live}
    assert live == {Status.OPEN, Status.PARTLY_FILLED}


def test_an_empty_side_has_no_best_price() -> None:
    book = Book()
    assert book.best(Side.BUY) is None
    assert book.levels(Side.SELL, 5) == ()


def test_levels_add_up_what_remains_best_first() -> None:
    book = book_with(order(1, Side.BUY, 99, 5), order(2, Side.BUY, 100, 3), order(3, Side.BUY, 99, 4))
    assert book.levels(Side.BUY, 2) == ((100, 3), (99, 9))
    assert book.levels(Side.BUY, 1) == ((100, 3),)


def test_a_removed_order_does_not_trade() -> None:
    first, second = order(1, Side.SELL, 100, 5), order(2, Side.SELL, 100, 5)
    book = book_with(first, second)
    book.remove(first)
    assert [fill.maker.number for fill in book.match(order(3, Side.BUY, 100, 9))] == [2]
    assert book.best(Side.SELL) is None


@given(orders)
def test_the_book_is_never_crossed(asked: list[tuple[Side, int, int]]) -> None:
    book = Book()
    for number, (side, px, qty) in enumerate(asked):
        taker = order(number, side, px, qty)
        book.match(taker)
        if taker.remaining:
            book.rest(taker)
        bid, ask = book.best(Side.BUY), book.best(Side.SELL)
        assert bid is None or ask is None or bid < ask


@given(orders)
def test_every_lot_bought_was_sold_at_the_same_price(asked: list[tuple[Side, int, int]]) -> None:
    book, placed = Book(), [order(number, *each) for number, each in enumerate(asked)]
    for taker in placed:
        book.match(taker)
        if taker.remaining:
            book.rest(taker)
    for total in ("filled", "turnover"):
        bought = sum(getattr(each, total) for each in placed if each.side is Side.BUY)
        assert bought == sum(getattr(each, total) for each in placed if each.side is Side.SELL)
