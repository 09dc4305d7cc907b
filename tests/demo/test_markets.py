import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.demo.markets import decimal, places_of, units


@pytest.mark.parametrize(
    ("text", "places", "amount"),
    [
        ("60000", 2, 6_000_000),
        ("60000.5", 2, 6_000_050),
        ("0.01", 5, 1_000),
        ("0.01000000", 5, 1_000),
        ("0", 2, 0),
        ("0.001", 2, None),
        ("", 2, None),
        ("-1", 2, None),
        ("+1", 2, None),
        ("1e5", 2, None),
        (".5", 2, None),
        ("5.", 2, None),
        (" 1", 2, None),
        ("1\n", 2, None),
        ("1_0", 2, None),
        ("NaN", 2, None),
        ("٣", 2, None),
        ("1000000000", 2, None),
    ],
)
def test_only_plain_decimals_that_fit_become_integers(text: str, places: int, amount: int | None) -> None:
    assert units(text, places) == amount


@pytest.mark.parametrize(
    ("amount", "places", "shown", "text"),
    [
        (6_000_050, 2, None, "60000.50"),
        (1_000, 5, 8, "0.01000000"),
        (0, 2, None, "0.00"),
        (12_345_678, 7, 8, "1.23456780"),
    ],
)
def test_amounts_are_shown_with_all_places(amount: int, places: int, shown: int | None, text: str) -> None:
    assert decimal(amount, places, shown) == text


@given(st.integers(0, 10**11 - 1))
def test_what_is_shown_reads_back(amount: int) -> None:
    assert units(decimal(amount, 5, 8), 5) == amount


@given(st.text())
def test_any_text_is_read_without_a_crash(text: str) -> None:
    amount = units(text, 5)
    assert amount is None or amount >= 0


def test_dollars_have_the_places_of_price_times_quantity() -> None:
    assert (places_of("USD"), places_of("BTC")) == (7, 5)
