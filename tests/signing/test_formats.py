import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.signing.formats import FormatFault, compile_format


@pytest.mark.parametrize(
    ("expression", "good", "bad"),
    [
        ("^[1-9][0-9]{12}([0-9]{3})?$", [b"1795347604903", b"1795347604903123"], [b"17953476049031", b"0795347604903"]),
        (r"^[1-9][0-9]{0,4}(\.[0-9]{1,3})?$", [b"5", b"60000.123"], [b"0", b"5.", b"123456", b"5x1"]),
        ("[!-~]{1,64}", [b"x", b"~" * 64], [b"", b"a b", b"x" * 65]),
        ("(ab|c)?d", [b"d", b"abd", b"cd"], [b"abcd", b"ab"]),
        ("a|bc", [b"a", b"bc"], [b"ac", b"abc", b"b"]),
        (r"\$\^[\]\-\\]", [b"$^]", b"$^-", b"$^\\"], [b"$^x"]),
        (r"a\$", [b"a$"], [b"a"]),
        ("a?b{2}", [b"bb", b"abb"], [b"ab", b"aabb"]),
    ],
)
def test_a_format_matches_the_whole_value_and_nothing_else(
    expression: str, good: list[bytes], bad: list[bytes]
) -> None:
    pattern = compile_format(expression)
    assert all(pattern.fullmatch(value) for value in good)
    assert not any(pattern.fullmatch(value) for value in bad)


def test_a_trailing_line_feed_is_no_part_of_the_end() -> None:
    assert compile_format("^[0-9]{1,3}$").fullmatch(b"12\n") is None


@pytest.mark.parametrize(
    "expression",
    [
        "a+",
        "a*",
        "(a+)+",
        "(a{1,3}){2}",
        "(a|b){3}",
        "a{1,}",
        "a{,3}",
        "a{3,1}",
        "a??",
        "a{2}?",
        "a{2}{3}",
        "(a)??",
        ".",
        "[^a]",
        "[]",
        "[a",
        "(a",
        "a)",
        r"\d",
        r"\1",
        "a\\",
        "(?:a)",
        "(?i)a",
        "(?=a)",
        "^a^",
        "a$b",
        "[[:x:]]",
        "[a--b]",
        "[a&&b]",
        "[z-a]",
        "é",
        "[é]",
        "a\n",
        "{3}",
        "?",
        "((((((a))))))",
        "a" * 300,
        "[a-z]{9000}",
        "[a]{0,100}[a]{0,100}[a]{0,100}b",
        "a{9999}",
    ],
)
def test_what_could_take_long_or_mean_two_things_is_refused(expression: str) -> None:
    with pytest.raises(FormatFault):
        compile_format(expression)


def test_the_worst_allowed_format_answers_at_once() -> None:
    pattern = compile_format("[a]{0,99}[a]{0,99}b")
    started = time.perf_counter()
    assert pattern.fullmatch(b"a" * 10_000) is None
    assert time.perf_counter() - started < 0.5


@given(st.text("ab01[](){}?|\\^$-.,*+ ", max_size=24))
def test_an_expression_compiles_or_is_refused(expression: str) -> None:
    try:
        pattern = compile_format(expression)
    except FormatFault:
        return
    assert isinstance(pattern, re.Pattern)
    pattern.fullmatch(b"a" * 50)
