import hashlib
from typing import Any

import pytest

from guard.model.facts import Facts, Transport
from guard.signing.functions import BaseFault
from guard.signing.rendering import MESSAGE_PARTS, render
from guard.signing.template import parse_template
from tests.build import facts

_NAMES = frozenset(MESSAGE_PARTS) | {"key", "nonce"}


def _base(template: str, message: Facts, **values: bytes) -> bytes:
    return render(parse_template(template, _NAMES))(message, values)


@pytest.mark.parametrize(
    ("template", "base"),
    [
        ("{method}", b"POST"),
        ("{path}", b"/v1/%41"),
        ("{raw_query}", b"b=%20&a"),
        ("{target}", b"/v1/%41?b=%20&a"),
        ("{body}", b"{}\xff"),
        ("{authority} {host}", b"gateway.test gateway.test"),
        ("{SOH}{LF}", b"\x01\n"),
        ("{key}|{nonce}", b"k|"),
        ("100%{{{key}}}%b%s", b"100%{k}%b%s"),
        ("", b""),
        ("constant", b"constant"),
        ("{upper(concat('a',lower('B'),key))}", b"ABK"),
    ],
)
def test_a_base_is_made_of_bytes_as_received(template: str, base: bytes) -> None:
    message = facts("POST", b"/v1/%41", query=b"b=%20&a", body=b"{}\xff")
    assert _base(template, message, key=b"k") == base


def test_a_method_is_not_folded() -> None:
    assert _base("{method}", facts("gEt")) == b"gEt"


def test_no_query_and_an_empty_one_are_two_targets() -> None:
    assert _base("{target}", facts(path=b"/a")) == b"/a"
    assert _base("{target}", facts(path=b"/a", query=b"")) == b"/a?"
    assert _base("{raw_query}", facts(path=b"/a")) == b""


def test_a_body_that_was_not_read_is_a_fault_and_not_empty() -> None:
    with pytest.raises(BaseFault):
        _base("{sha256(body)}", facts(body=None))


def test_functions_nest() -> None:
    inner = hashlib.sha256(b"7body").digest()
    assert (
        _base("{path}{hex(sha256(nonce,body))}", facts(path=b"/p", body=b"body"), nonce=b"7")
        == b"/p" + inner.hex().encode()
    )


def test_derived_parts_are_never_read_from_fields() -> None:
    """BYPASSES.md A31: a field called like a part does not shadow it."""
    message = facts("GET", b"/real", fields=((b"path", b"/fake"), (b"method", b"POST"), (b"@target", b"/fake")))
    assert _base("{method} {path} {target}", message) == b"GET /real /real"


@pytest.mark.parametrize("fields", [(), ((b"35", b"A"), (b"35", b"A"))])
def test_a_tag_must_occur_exactly_once(fields: Any) -> None:
    with pytest.raises(BaseFault):
        _base("{fix:35}", facts(transport=Transport.FIX, fields=fields))


def test_tags_are_joined() -> None:
    message = facts(transport=Transport.FIX, fields=((b"35", b"A"), (b"49", b"ME")))
    assert _base("{join(SOH,fix:35,fix:49)}", message) == b"A\x01ME"


@pytest.mark.parametrize(
    ("template", "base"),
    [
        ("channel={ws:/channel}&time={ws:/time}", b"channel=spot.login&time=17"),
        ("{raw_json(ws:/payload/req)}", b'{ "b":1, "a":[] }'),
        ("{sorted_pairs(ws:/params,'signature','skip')}", b"a=1&b=x"),
    ],
)
def test_places_in_a_message_are_read(template: str, base: bytes) -> None:
    body = (
        b'{"channel":"spot.login","time":17,"payload":{"req": { "b":1, "a":[] } },'
        b'"params":{"b":"x","a":1,"signature":"s","skip":0}}'
    )
    assert _base(template, facts(transport=Transport.WEBSOCKET, body=body)) == base


@pytest.mark.parametrize("template", ["{ws:/no}", "{raw_json(ws:/no)}", "{sorted_pairs(ws:/no)}", "{ws:/deep}"])
@pytest.mark.parametrize("body", [b'{"a":1,"deep":{}}', b"not json", b'{"a":1,"a":1}', b""])
def test_a_place_that_is_not_there_is_a_fault(template: str, body: bytes) -> None:
    with pytest.raises(BaseFault):
        _base(template, facts(transport=Transport.WEBSOCKET, body=body))


def test_a_node_that_the_parser_cannot_make_is_our_own_mistake() -> None:
    with pytest.raises(TypeError):
        render((object(),))  # type: ignore[arg-type]
