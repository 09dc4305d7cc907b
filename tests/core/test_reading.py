"""One reading, or none."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.reading import Untold, body_type, decoded, document, member, parameter
from tests.build import facts


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ((b"application/json",), b"application/json"),
        ((b"Application/JSON ; Charset=UTF-8",), b"application/json"),
        ((b"application/x-www-form-urlencoded",), b"application/x-www-form-urlencoded"),
        ((b"application/json; charset=utf-16",), b""),
        ((b"application/json; profile=x",), b""),
        ((b"application/json", b"application/json"), b""),
        ((), b""),
    ],
)
def test_a_body_has_one_type_and_is_utf_8(said: tuple[bytes, ...], kind: bytes) -> None:
    assert body_type(facts(fields=tuple((b"content-type", value) for value in said))) == kind


def test_a_body_with_a_content_coding_has_no_type() -> None:
    fields = ((b"content-type", b"application/json"), (b"content-encoding", b"br"))
    assert body_type(facts(fields=fields)) == b""


def test_a_parameter_stands_once_in_its_one_spelling() -> None:
    assert parameter(b"a=1&b=2", "a", "query") == b"1"
    assert parameter(b"a_b=1", "c", "query") is None
    for raw in (b"a.b=1", b"A_B=1", b"a-b=1", b"a_b[]=1", b"a_b=1&a_b=1", b"a_b=1;x=1", b"%61_b=1"):
        with pytest.raises(Untold):
            parameter(raw, "a_b", "query")


def test_a_value_is_decoded_once() -> None:
    assert decoded(b"%2541%C3%A4=/:") == "%41ä=/:"
    for value in (b"a+b", b"a;b", b"%", b"%4", b"%gg", b"%ff", b"\xc3\xa4", b" ", b'"', b"\n"):
        with pytest.raises(Untold):
            decoded(value)


def test_a_member_has_nothing_beside_it_that_is_like_it() -> None:
    assert member(document(b'{"a": [{"b": "1"}]}'), ("a", "0", "b")) == "1"
    for body in (b'{"a": [{"b": "1", "B": "2"}]}', b'{"A": 1, "a": [{"b": "1"}]}'):
        with pytest.raises(Untold):
            member(document(body), ("a", "0", "b"))
    with pytest.raises(KeyError):
        member(document(b"{}"), ("a",))


@given(st.binary(max_size=40))
def test_whatever_arrives_is_read_or_refused(raw: bytes) -> None:
    with suppress(Untold):
        assert parameter(raw, "a", "query") in (None, raw[2:], *(part[2:] for part in raw.split(b"&")))
    with suppress(Untold):
        assert len(decoded(raw)) <= len(raw)
    with suppress(Untold):
        document(raw)
