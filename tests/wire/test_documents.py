import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.wire.documents import DocumentFault, find, parse, raw_value, scalar, sorted_pairs

_ROOT = Path(__file__).parents[2]
_PUBLIC = Path(os.environ.get("GUARD_PUBLIC_VECTORS", _ROOT / "../shared/vectors/public"))


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'{"x":{"a":1,"a":1}}',
        b'{"a\\u0000":[1,2,3],"a":[1]}',
        b'{"x":[{"\\u0000":1}]}',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        b"",
        b"{",
        b"{} x",
        b"{'a':1}",
        b'["\x01"]',
        b"[01]",
        b"[1.]",
        b"[" * 33 + b"]" * 33,
        b"[" * 100_000,
    ],
)
def test_what_two_programs_may_read_in_two_ways_is_refused(text: bytes) -> None:
    with pytest.raises(DocumentFault):
        parse(text)


def test_nesting_of_32_is_allowed_and_brackets_in_texts_do_not_count() -> None:
    parse(b"[" * 32 + b"]" * 32)
    parse(b'["' + b"[" * 99 + b'\\"[["]')


def test_numbers_keep_the_text_they_arrived_in() -> None:
    document = parse(b'{"a":1.50,"b":123456789012345678901234567890,"c":-0,"d":1E2}')
    assert [scalar(find(document, (name,))) for name in "abcd"] == [
        b"1.50",
        b"123456789012345678901234567890",
        b"-0",
        b"1E2",
    ]


@pytest.mark.parametrize(
    ("pointer", "found"), [(("a", "0"), b"x"), (("a", "1", "b"), b"y"), (("a/b",), b"z"), (("é",), "ü".encode())]
)
def test_a_pointer_leads_through_objects_and_arrays(pointer: tuple[str, ...], found: bytes) -> None:
    assert scalar(find(parse('{"a":["x",{"b":"y"}],"a/b":"z","é":"ü"}'.encode()), pointer)) == found


@pytest.mark.parametrize("pointer", [("b",), ("a", "2"), ("a", "-"), ("a", "²"), ("a", "9" * 99), ("a", "0", "x")])
def test_a_pointer_to_nothing_is_a_key_error(pointer: tuple[str, ...]) -> None:
    with pytest.raises(KeyError):
        find(parse(b'{"a":["x","y"]}'), pointer)


@pytest.mark.parametrize("text", [b"null", b"true", b"[1]", b"{}", b'"\\ud800"'])
def test_only_texts_and_numbers_are_values(text: bytes) -> None:
    with pytest.raises(DocumentFault):
        scalar(parse(text))


def test_pairs_are_sorted_by_name_and_written_plainly() -> None:
    document = parse(b'{"timestamp":1,"apiKey":"k","signature":"s","price":1.0,"flag":true,"off":false}')
    assert sorted_pairs(document, frozenset({"signature"})) == b"apiKey=k&flag=true&off=false&price=1.0&timestamp=1"


@pytest.mark.parametrize("text", [b"[]", b'{"a":null}', b'{"a":[1]}'])
def test_pairs_of_anything_but_plain_members_are_refused(text: bytes) -> None:
    with pytest.raises(DocumentFault):
        sorted_pairs(parse(text), frozenset())


@pytest.mark.parametrize(
    ("pointer", "raw"),
    [
        (("a",), b'{ "x" : [1,  2.0] }'),
        (("a", "x"), b"[1,  2.0]"),
        (("a", "x", "1"), b"2.0"),
        (("b",), b'"\\u0041"'),
        (("c",), b"null"),
    ],
)
def test_raw_json_is_the_exact_text(pointer: tuple[str, ...], raw: bytes) -> None:
    assert raw_value(b' { "a" :{ "x" : [1,  2.0] } , "b":"\\u0041","c" : null }', pointer) == raw


@pytest.mark.parametrize("pointer", [("z",), ("a", "0"), ("l", "3"), ("l", "0", "x"), ("e", "0")])
def test_raw_json_of_nothing_is_refused(pointer: tuple[str, ...]) -> None:
    with pytest.raises(DocumentFault):
        raw_value(b'{"a":{"b":1},"l":[1,2,3],"e":[]}', pointer)


_PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
_NAMES = st.text(st.characters(min_codepoint=1), max_size=5)
_DOCUMENTS = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=6,
)


@given(_DOCUMENTS)
def test_raw_json_of_any_document_is_what_was_written(value: object) -> None:
    written = json.dumps(value).encode()
    assert raw_value(b'{"before": [{}, "]"], "it": ' + written + b"}", ("it",)) == written


@given(st.binary(max_size=60) | st.text('{}[]",:\\ \n0123eE+-.truefalsn\ufeff', max_size=40).map(str.encode))
def test_parsing_raises_nothing_but_its_fault(text: bytes) -> None:
    try:
        parse(text)
        raw_value(text, ("a", "0"))
    except DocumentFault:
        pass


def _fault(text: bytes) -> str:
    try:
        parse(text)
    except DocumentFault as fault:
        return str(fault)
    return ""


def test_the_json_test_suite_is_judged_as_it_says() -> None:
    suites = sorted((_PUBLIC / "json").glob("**/[yn]_*.json")) if _PUBLIC.exists() else []
    if not suites:
        pytest.skip("JSONTestSuite is not at hand (GUARD_PUBLIC_VECTORS)")
    stricter = {
        "y_object_duplicated_key.json",
        "y_object_duplicated_key_and_value.json",
        "y_object_escaped_null_in_key.json",
    }
    wrong = [
        path.name
        for path in suites
        if path.name not in stricter and (_fault(path.read_bytes()) == "") != (path.name[0] == "y")
    ]
    assert wrong == []
