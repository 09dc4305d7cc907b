from typing import Any

import pytest

from guard.model.claims import ClaimFault
from guard.model.facts import Facts, Transport
from guard.signing.scheme import Sources
from guard.signing.sources import SourceFault, any_at_head, gather, parse_source, read
from tests.build import facts

_FORM = (b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")
_JSON = (b"content-type", b"application/json")
_WS = Transport.WEBSOCKET


def _sources(transport: Transport = Transport.HTTP, **take: str) -> Sources:
    return gather(
        {name: tuple(parse_source(text, transport) for text in texts.split()) for name, texts in take.items()}
    )


def _read(sources: Sources, message: Facts) -> dict[str, bytes] | str:
    found = read(sources, message)
    return f"{found.code} {found.detail}" if isinstance(found, ClaimFault) else found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Guard-Key", "no source"),
        ("cookie:x", "no source"),
        ("header:", "no field name"),
        ("header:a b", "no field name"),
        ("header:Ключ", "no field name"),
        ("header:A|basic", "nothing, |bearer or"),
        ("header:A|kv(x)", "nothing, |bearer or"),
        ("header:A|kv(x)|y|z", "nothing, |bearer or"),
        ("header:A|kv()|y", "nothing, |bearer or"),
        ("query:", "cannot follow"),
        ("header:A|kv(x)|=", "nothing, |bearer or"),
        ("query:a b", "cannot follow"),
        ("form:%61", "cannot follow"),
        ("json:nonce", "cannot follow"),
        ("json:/", "cannot follow"),
        ("ws:/a", "takes nothing from ws"),
        ("fix:35", "takes nothing from fix"),
    ],
)
def test_a_source_that_is_not_understood_is_refused(text: str, says: str) -> None:
    with pytest.raises(SourceFault) as fault:
        parse_source(text, Transport.HTTP)
    assert says in str(fault.value)


@pytest.mark.parametrize(
    ("text", "transport"), [("fix:0", Transport.FIX), ("fix:x", Transport.FIX), ("header:A", _WS), ("ws:a", _WS)]
)
def test_each_transport_has_its_own_sources(text: str, transport: Transport) -> None:
    with pytest.raises(SourceFault):
        parse_source(text, transport)


def test_values_come_from_fields_the_query_and_a_form() -> None:
    sources = _sources(key="header:X-Key", signature="query:sig form:sig", time="form:ts")
    message = facts(fields=((b"x-key", b"k"), _FORM), query=b"a=1&sig=%2B", body=b"ts=5&b=x")
    assert _read(sources, message) == {"key": b"k", "signature": b"%2B", "time": b"5"}


@pytest.mark.parametrize("kind", [(b"content-type", b"text/plain"), _FORM])
def test_a_document_is_read_only_from_a_body_that_says_it_is_one(kind: tuple[bytes, bytes]) -> None:
    assert _read(_sources(nonce="json:/nonce"), facts(fields=(kind,), body=b'{"nonce":7}')) == {}
    assert _read(_sources(nonce="form:nonce json:/nonce"), facts(fields=(_JSON,), body=b'{"nonce":7}')) == {
        "nonce": b"7"
    }


def test_a_form_is_read_only_from_a_body_that_says_it_is_one() -> None:
    assert _read(_sources(nonce="form:nonce"), facts(fields=(_JSON,), body=b"nonce=7")) == {}


def test_nothing_is_read_from_a_body_that_was_not_read() -> None:
    assert _read(_sources(nonce="form:nonce"), facts(fields=(_FORM,), body=None)) == {}


_TWICE = "request.malformed A credential occurs twice."
_TWO = _sources(key="header:X-Key header:X-Other", s="query:s form:s json:/s")


@pytest.mark.parametrize(
    "message",
    [
        facts(fields=((b"x-key", b"k"), (b"x-key", b"k"))),
        facts(fields=((b"x-key", b"k"), (b"x-other", b"k"))),
        facts(query=b"s=1&s=1"),
        facts(query=b"a=1", fields=((b"x-key", b"k"), (b"x-key", b"k"))),
        facts(body=b"a=1", fields=((b"x-key", b"k"), (b"x-key", b"k"), _FORM)),
        facts(query=b"s=1&s=1", body=b"a=1", fields=(_FORM,)),
        facts(query=b"s=1", body=b"s=1", fields=(_FORM,)),
        facts(query=b"s=1", body=b'{"s":1}', fields=(_JSON,)),
        facts(body=b"s=1&s=1", fields=(_FORM,)),
    ],
)
def test_two_equal_copies_of_a_credential_are_refused(message: Facts) -> None:
    assert _read(_TWO, message) == _TWICE


def test_a_field_that_carries_parts_is_refused_twice_even_if_only_one_copy_fits() -> None:
    sources = _sources(token="header:Authorization|bearer")
    twice = facts(fields=((b"authorization", b"Basic x"), (b"authorization", b"Bearer t")))
    assert _read(sources, twice) == _TWICE


def test_one_value_in_two_places_of_a_document_is_refused() -> None:
    sources = _sources(_WS, key="ws:/a ws:/b")
    assert _read(sources, facts(transport=_WS, body=b'{"a":1,"b":1}')) == _TWICE


@pytest.mark.parametrize("name", [b"%73", b"s%", b"%53"])
def test_a_parameter_that_decodes_to_a_credential_is_refused(name: bytes) -> None:
    found = _read(_TWO, facts(query=name + b"=1"))
    respelled = "request.malformed A credential's name is written in percent-encoding."
    assert found == (respelled if name == b"%73" else {})


@pytest.mark.parametrize(
    ("value", "token"), [(b"Bearer t", b"t"), (b"bearer t", b"t"), (b"Basic t", None), (b"Bearer", b""), (b"", None)]
)
def test_a_bearer_token_is_picked(value: bytes, token: bytes | None) -> None:
    found = _read(_sources(token="header:Authorization|bearer"), facts(fields=((b"authorization", value),)))
    assert found == ({} if token is None else {"token": token})


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"deri-hmac-sha256 id=k,ts=5,sig=a=b", {"key": b"k", "s": b"a=b"}),
        (b"DERI-hmac-sha256 sig=1 ,\tid=k", {"key": b"k", "s": b"1"}),
        (b"deri-hmac-sha256 id=k,id=k,sig=1", {"s": b"1"}),
        (b"deri-hmac-sha256", {}),
        (b"other id=k,sig=1", {}),
    ],
)
def test_named_parts_of_a_field_are_picked(value: bytes, found: dict[str, bytes]) -> None:
    sources = _sources(
        key="header:Authorization|kv(deri-hmac-sha256)|id", s="header:Authorization|kv(deri-hmac-sha256)|sig"
    )
    assert _read(sources, facts(fields=((b"authorization", value),))) == found


def test_frames_are_read_by_tag() -> None:
    message = facts(transport=Transport.FIX, fields=((b"553", b"k"), (b"96", b"s")))
    assert _read(_sources(Transport.FIX, key="fix:553", signature="fix:96", x="fix:1"), message) == {
        "key": b"k",
        "signature": b"s",
    }


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"args":[{"k":"x"}],"n":1.0}', {"k": b"x", "n": b"1.0"}),
        (b'{"n":"\xc3\xa9"}', {"n": "é".encode()}),
        (b'{"n":true}', "auth.malformed The n is neither a text nor a number."),
        (b'{"n":null}', "auth.malformed The n is neither a text nor a number."),
        (b'{"n":"\\ud800"}', "auth.malformed The n is neither a text nor a number."),
        (b'{"n":1,"n":1}', "request.bad_body a name occurs twice in one object of the body."),
        (b"\xff", "request.bad_body the body is not JSON."),
    ],
)
def test_messages_are_read_by_place(body: bytes, found: Any) -> None:
    assert _read(_sources(_WS, k="ws:/args/0/k", n="ws:/n"), facts(transport=_WS, body=body)) == found


@pytest.mark.parametrize(
    ("message", "there"),
    [
        (facts(fields=((b"x-key", b""),)), True),
        (facts(query=b"s="), True),
        (facts(query=b"%73=1"), True),
        (facts(query=b"t=1", fields=((b"x-keys", b"k"),)), False),
        (facts(body=b"s=1", fields=(_FORM,)), False),
        (facts(), False),
    ],
)
def test_marks_are_sought_at_the_head(message: Facts, there: bool) -> None:  # noqa: FBT001  # a table
    assert any_at_head(_TWO, message) is there


def test_marks_are_not_sought_in_the_body_of_a_request() -> None:
    assert not any_at_head(_sources(signature="json:/s"), facts(body=b'{"s":1}', fields=(_JSON,)))


def test_marks_are_sought_in_a_message_that_is_all_body() -> None:
    sources = _sources(_WS, key="ws:/key")
    assert any_at_head(sources, facts(transport=_WS, body=b'{"key":"k"}'))
    assert not any_at_head(sources, facts(transport=_WS, body=b'{"yek":"k"}'))
    assert not any_at_head(sources, facts(transport=_WS, body=b"{"))
    assert not any_at_head(sources, facts(transport=_WS, body=b""))


def test_a_field_in_which_nothing_is_picked_is_no_mark() -> None:
    bearer = _sources(token="header:Authorization|bearer")
    assert not any_at_head(bearer, facts(fields=((b"authorization", b"Basic x"),)))
    assert any_at_head(bearer, facts(fields=((b"authorization", b"Bearer x"),)))
