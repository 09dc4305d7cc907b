import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.policy.document import Document
from guard.policy.yaml_source import DEPTH_MAX, NODES_MAX, read_document


def content(text: str) -> object:
    read = read_document(text.encode(), "p.yaml")
    assert isinstance(read, Document), read
    return read.content


def faults(text: str) -> list[tuple[str, int, int]]:
    read = read_document(text.encode(), "p.yaml")
    assert not isinstance(read, Document), read
    return [(fault.code, fault.line, fault.column) for fault in read]


def test_the_core_schema_of_yaml_1_2_is_read() -> None:
    text = "a: NO\nb: on\nc: 12:30\nd: 2024-01-01\ne: 1_000\nf: true\ng: -5\nh: 1.10\n"
    text += "i: '017'\nj: [x, {k: .inf}]\n'1': y\n"
    assert content(text) == {
        "a": "NO",
        "b": "on",
        "c": "12:30",
        "d": "2024-01-01",
        "e": "1_000",
        "f": True,
        "g": -5,
        "h": 1.1,
        "i": "017",
        "j": ["x", {"k": math.inf}],
        "1": "y",
    }


@pytest.mark.parametrize(
    ("text", "value"), [("TRUE", True), ("False", False), ("0", 0), ("1e3", 1000.0), ("-.INF", -math.inf)]
)
def test_other_spellings_of_booleans_and_floats_are_what_they_are(text: str, value: object) -> None:
    assert content(f"a: {text}") == {"a": value}


def test_an_explicit_start_and_end_of_the_one_document_are_fine() -> None:
    assert content("---\na: 1\n...\n") == {"a": 1}


def test_a_block_of_text_keeps_its_lines() -> None:
    assert content("a: |\n  x\n  y\n") == {"a": "x\ny\n"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [1, {]", ("Y001", 1, 9)),
        ('a: "\\UFFFFFFFF"', ("Y001", 1, 7)),
        ('a: "\\U00110000"', ("Y001", 1, 7)),
        ('a: "\\u202e"', ("Y003", 1, 4)),
        ('"\\u200b": 1', ("Y003", 1, 1)),
        ('a: "\\ud800"', ("Y003", 1, 4)),
        ("a: 1\nb: 2\na: 3", ("Y004", 3, 1)),
        ("a: &x 1\nb: *x", ("Y006", 1, 4)),
        ("a: *x", ("Y006", 1, 4)),
        ("&x a: 1", ("Y006", 1, 1)),
        ("* /x: {}", ("Y001", 1, 2)),
        ("a: !!int 1", ("Y007", 1, 4)),
        ("a: !x 1", ("Y007", 1, 4)),
        ("a: ! 1", ("Y007", 1, 4)),
        ("!!map {a: 1}", ("Y007", 1, 1)),
        ("<<: {a: 1}", ("Y008", 1, 1)),
        ("a: 1\n---\nb: 2", ("Y009", 2, 1)),
        ("%YAML 1.2\n---\na: 1", ("Y010", 1, 1)),
        ("%FOO bar\n---\na: 1", ("Y010", 1, 1)),
        ("%YAML " + "9" * 5000 + ".1\n---\na: 1", ("Y010", 1, 1)),
        ("? [a]\n: 1", ("Y011", 1, 3)),
        ("1: a", ("Y011", 1, 1)),
        ("true: a", ("Y011", 1, 1)),
        ("null: a", ("Y011", 1, 1)),
        ("a:", ("Y012", 1, 1)),
        ("a: ~", ("Y012", 1, 1)),
        ("a: [x, null]", ("Y012", 1, 8)),
        ("a: 017", ("Y013", 1, 4)),
        ("a: 0x10", ("Y013", 1, 4)),
        ("a: 0o17", ("Y013", 1, 4)),
        ("a: +10", ("Y013", 1, 4)),
        ("a: -07", ("Y013", 1, 4)),
        ("a: " + "9" * 19, ("Y017", 1, 4)),
        ("a: '" + "x" * 8193 + "'", ("Y017", 1, 4)),
        ("? " + "k" * 1025 + "\n: 1", ("Y017", 1, 3)),
        ("", ("Y018", 0, 0)),
        ("# nothing\n", ("Y018", 0, 0)),
        ("- a", ("Y018", 0, 0)),
        ("hello", ("Y018", 0, 0)),
    ],
)
def test_what_could_mean_something_else_is_refused_where_it_stands(text: str, fault: tuple[str, int, int]) -> None:
    assert faults(text) == [fault]


def test_a_quoted_merge_key_is_only_text() -> None:
    assert content("'<<': 1") == {"<<": 1}


def test_the_largest_integer_that_is_read_has_eighteen_digits() -> None:
    assert content("a: " + "9" * 18) == {"a": 999_999_999_999_999_999}


def test_braces_inside_braces_are_explained() -> None:
    read = read_document(b"a:\n  - {route: GET /orders/{id}, cost: 1}\n", "p.yaml")
    assert not isinstance(read, Document)
    assert "need quotes" in read[0].help


def test_depth_and_count_end_exactly_at_their_caps() -> None:
    deep = "a: " + "[" * (DEPTH_MAX - 2) + "x" + "]" * (DEPTH_MAX - 2)
    assert content(deep)
    assert faults("a: [" + deep[3:] + "]") == [("Y016", 1, DEPTH_MAX + 3)]
    flow = "a: [" + ",".join("1" * (NODES_MAX - 3)) + "]"
    assert content(flow)
    assert faults(flow[:-1] + ",1]")[0][0] == "Y015"


def test_all_faults_of_a_file_are_told_but_not_more_than_fifty() -> None:
    assert faults("a: 01\nb:\n1: c") == [("Y013", 1, 4), ("Y012", 2, 1), ("Y011", 3, 1)]
    assert len(faults("a:\n" * 100)) == 50


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    read = read_document(data, "p.yaml")
    assert isinstance(read, Document) or read


@given(st.text(alphabet="ab:-?[]{}&*!%#|>'\"\\, \n01.~<@`xuU", max_size=80))
def test_no_text_of_yaml_characters_makes_it_raise_and_every_place_exists(text: str) -> None:
    read = read_document(text.encode(), "p.yaml")
    if isinstance(read, Document):
        assert all(span.line <= len(read.lines) and span.width >= 1 for span in read.values.values())
    else:
        lines = text.split("\n")
        assert all(fault.line <= len(lines) for fault in read)
