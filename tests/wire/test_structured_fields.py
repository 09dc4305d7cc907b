import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.wire.structured_fields import byte_sequence, integer, members, string, with_parameters
from tests.wire.public_vectors import public

SOURCE = "httpwg/structured-field-tests"


def test_strings_of_the_published_cases_are_written_as_published_or_refused() -> None:
    cases = public("structured-fields/serialisation-tests/string-generated.json", SOURCE)
    assert cases
    for case in cases:
        text = case["expected"][0]
        if case.get("must_fail"):
            with pytest.raises(ValueError, match="printable"):
                string(text)
        else:
            assert string(text).decode() == case["canonical"][0]


def test_integers_of_the_published_cases_are_written_as_published_or_refused() -> None:
    whole = [
        case
        for case in public("structured-fields/serialisation-tests/number.json", SOURCE)
        if isinstance(case["expected"][0], int)
    ]
    assert whole
    for case in whole:
        if case.get("must_fail"):
            with pytest.raises(ValueError, match="15 digits"):
                integer(case["expected"][0])
        else:
            assert integer(case["expected"][0]).decode() == case["canonical"][0]


@pytest.mark.parametrize(
    ("text", "expected"), [("key", b'"key"'), ("", b'""'), ('a"b', b'"a\\"b"'), ("a\\b", b'"a\\\\b"')]
)
def test_a_string_is_quoted_and_escaped(text: str, expected: bytes) -> None:
    assert string(text) == expected


@pytest.mark.parametrize("text", ["\n", "a\x00", "\x7f", "é", "\t"])
def test_a_string_is_printable_ascii(text: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        string(text)


@pytest.mark.parametrize(("number", "expected"), [(0, b"0"), (-1, b"-1"), (999_999_999_999_999, b"999999999999999")])
def test_an_integer_is_its_digits(number: int, expected: bytes) -> None:
    assert integer(number) == expected


@pytest.mark.parametrize("number", [10**15, -(10**15)])
def test_an_integer_has_at_most_fifteen_digits(number: int) -> None:
    with pytest.raises(ValueError, match="15 digits"):
        integer(number)


def test_a_byte_sequence_is_base64_between_colons() -> None:
    assert byte_sequence(b"") == b"::"
    assert byte_sequence(b"hello") == b":aGVsbG8=:"


def test_items_carry_parameters_and_lists_carry_items() -> None:
    item = with_parameters(string("a"), (b"q", integer(1)), (b"unit", string("cost")))
    assert item == b'"a";q=1;unit="cost"'
    assert members([item, b"2"]) == b'"a";q=1;unit="cost", 2'


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)), st.integers(-(10**15) + 1, 10**15 - 1), st.binary())
def test_what_is_written_is_read_back_by_a_strict_parser(text: str, number: int, content: bytes) -> None:
    written = members([with_parameters(string(text), (b"n", integer(number)), (b"b", byte_sequence(content)))])
    assert http_sf.parse(written, tltype="list") == [(text, {"n": number, "b": content})]
