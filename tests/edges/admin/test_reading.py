"""Exactly what was asked for, or a pointer to what is wrong."""

from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from guard.edges.admin.problems import Refused
from guard.edges.admin.reading import body_of, query_of, segment
from guard.model.keys import KeyState

JSON = ((b"content-type", b"application/json"),)


class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    tags: tuple[str, ...] = ()
    count: Annotated[int, Meta(ge=0, le=1000)] | None = None


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=10)] = 5
    state: KeyState | None = None
    text: str = ""


def refused(content: bytes) -> tuple[str, str | None]:
    with pytest.raises(Refused) as raised:
        body_of(content, JSON, Shape)
    flaws = raised.value.flaws
    return raised.value.code, flaws[0].pointer if flaws else None


def test_a_body_is_read_as_its_type() -> None:
    assert body_of(b'{"name":"a","tags":["b"],"count":5}', JSON, Shape) == Shape(name="a", tags=("b",), count=5)


def test_a_whole_number_is_an_integer_however_it_is_written() -> None:
    assert body_of(b'{"name":"a","count":5.0}', JSON, Shape).count == 5


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        (b'{"name":"a","role":"admin"}', "#/role"),
        (b'{"tags":[]}', "#/name"),
        (b'{"name":["a"]}', "#/name"),
        (b'{"name":"a","tags":["b",1]}', "#/tags/1"),
        (b'{"name":"a","count":-1}', "#/count"),
        (b'{"name":"a","count":1.5}', "#/count"),
        (b'{"name":"a","count":"5"}', "#/count"),
        (b'{"name":"a","count":true}', "#/count"),
        (b'{"name":"a","count":1' + b"0" * 309 + b"}", "#/count"),
        (b'{"name":"a","name":"b"}', "#"),
        (b'{"name":null}', "#/name"),
        (b"[]", "#"),
        (b"null", "#"),
    ],
)
def test_what_has_another_shape_is_refused_with_a_pointer(content: bytes, pointer: str) -> None:
    assert refused(content) == ("admin.malformed", pointer)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"name":"a"} x',
        b'{"name":"\xff"}',
        b'{"name":"\\ud800"}',
        b'{"name":"a","count":NaN}',
        b'{"name":"a","count":1e309}',
        b'{"name":"a","count":' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_no_json_is_refused(content: bytes) -> None:
    assert refused(content)[0] == "admin.malformed"


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ((b"content-type", b"text/plain"),),
        ((b"content-type", b"application/x-www-form-urlencoded"),),
        ((b"content-type", b"application/json; charset=latin-1"),),
        ((b"content-type", b"application/json-patch+json"),),
        (*JSON, *JSON),
    ],
)
def test_only_json_is_a_body(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    with pytest.raises(Refused) as raised:
        body_of(b'{"name":"a"}', fields, Shape)
    assert raised.value.code == "admin.media_type"


def test_json_may_say_that_it_is_utf_8() -> None:
    fields = ((b"content-type", b"Application/JSON; charset=UTF-8"),)
    assert body_of(b'{"name":"\xc3\xa9"}', fields, Shape).name == "é"


def test_a_query_is_read_as_its_type() -> None:
    assert query_of(b"limit=7&state=active&text=a%2Fb+c", Query) == Query(limit=7, state=KeyState.ACTIVE, text="a/b c")
    assert query_of(b"", Query) == Query()


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        (b"limit=0", "limit"),
        (b"limit=1e400", "limit"),
        (b"limit=", "limit"),
        (b"limit", "limit"),
        (b"limit=5&limit=5", "limit"),
        (b"limi=5", "limi"),
        (b"state=null", "state"),
        (b"&", ""),
    ],
)
def test_a_parameter_that_is_not_understood_is_named(query: bytes, parameter: str) -> None:
    with pytest.raises(Refused) as raised:
        query_of(query, Query)
    assert (raised.value.code, raised.value.flaws[0].parameter) == ("admin.malformed", parameter)


@pytest.mark.parametrize("text", ["%ff", "%00", "a%00"])
def test_a_target_that_is_no_text_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        segment(text)
    with pytest.raises(Refused):
        query_of(b"text=" + text.encode(), Query)


def test_a_segment_is_decoded_once_and_keeps_its_plus() -> None:
    assert segment("a%252F+b%2Fc") == "a%2F+b/c"
