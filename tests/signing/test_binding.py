import pytest

from guard.model.facts import Transport
from guard.signing.binding import names_in, query_touches_body, unbound_parts
from guard.signing.sources import parse_source
from guard.signing.template import Node, parse_template

_NAMES = frozenset(
    {
        "method",
        "path",
        "raw_query",
        "target",
        "body",
        "authority",
        "host",
        "key",
        "timestamp",
        "nonce",
        "content_digest",
    }
)
_ALL = {"method", "path", "query", "body", "authority"}


def _nodes(template: str) -> tuple[Node, ...]:
    return parse_template(template, _NAMES)


def _free(
    template: str, *, decoding_binds: bool = False, transport: Transport = Transport.HTTP, **take: str
) -> set[str]:
    named = {name: tuple(parse_source(text, transport) for text in texts.split()) for name, texts in take.items()}
    return set(unbound_parts(_nodes(template), named, transport, decoding_binds=decoding_binds))


@pytest.mark.parametrize(
    ("template", "bound"),
    [
        ("", set()),
        ("GET /constant", set()),
        ("{method}", {"method"}),
        ("{path}", {"path"}),
        ("{raw_query}", {"query"}),
        ("{target}", {"path", "query"}),
        ("{body}", {"body"}),
        ("{content_digest}", {"body"}),
        ("{authority}", {"authority"}),
        ("{host}", {"authority"}),
        ("{hex(sha256(path,concat(method,body)))}", {"path", "method", "body"}),
        ("{without(body,'signature')}", {"body"}),
        ("{without(raw_query,'signature')}", {"query"}),
        ("{without(target,'signature')}", {"path", "query"}),
    ],
)
def test_what_is_in_the_base_is_bound_and_nothing_else(template: str, bound: set[str]) -> None:
    assert _free(template, signature="query:signature form:signature") == _ALL - bound


@pytest.mark.parametrize(
    "template",
    ["{lower(path)}", "{upper(method)}", "{split(path,'/',1)}", "{strip_prefix(path,'/x')}", "{urldecode(path)}"],
)
def test_what_two_messages_share_binds_neither(template: str) -> None:
    assert _free(template) == _ALL


def test_dropping_a_parameter_that_is_not_the_signature_binds_nothing() -> None:
    assert "query" in _free("{without(raw_query,'price')}", signature="query:signature")
    assert "body" in _free("{without(body,'signature')}", signature="query:signature")


def test_decoding_binds_where_encoded_delimiters_are_refused() -> None:
    assert "query" not in _free("{urldecode(raw_query)}", decoding_binds=True)


def test_a_value_is_bound_by_its_name_or_by_the_whole_place_it_is_from() -> None:
    assert "timestamp" in _free("{path}", timestamp="header:Date")
    assert "timestamp" not in _free("{timestamp}", timestamp="header:Date")
    assert "timestamp" not in _free("{raw_query}", timestamp="query:timestamp")
    assert "timestamp" not in _free("{raw_query}{body}", timestamp="query:timestamp form:timestamp")
    assert "timestamp" in _free("{raw_query}", timestamp="query:timestamp form:timestamp")
    assert "nonce" not in _free("{body}", nonce="form:nonce json:/nonce")


def test_a_field_is_not_bound_by_another_part() -> None:
    assert "timestamp" in _free("{target}{body}", timestamp="header:X-Date query:timestamp")


def test_a_signature_is_never_missing_from_its_own_base() -> None:
    assert _free("{target}{body}{method}{host}", signature="header:S") == set()


def test_a_frame_is_bound_tag_by_tag() -> None:
    fix = Transport.FIX
    assert _free("{join('|',fix:35,fix:553)}", transport=fix, key="fix:553", timestamp="fix:52") == {
        "body",
        "timestamp",
    }


def test_a_message_is_bound_place_by_place() -> None:
    ws = Transport.WEBSOCKET
    template = "{sorted_pairs(ws:/params,'signature','extra')}{ws:/id}"
    assert _free(template, transport=ws, key="ws:/params/key") == {"body"}
    assert _free(template, transport=ws, key="ws:/params/extra") == {"body", "key"}
    assert _free(template, transport=ws, key="ws:/key") == {"body", "key"}
    assert _free(template, transport=ws, key="ws:/id") == {"body"}
    assert _free("{body}", transport=ws, key="ws:/key") == set()


@pytest.mark.parametrize(
    "template", ["{raw_query}{body}", "{body}{target}", "x{sha256(target,body)}", "{raw_query}{hex(body)}"]
)
def test_query_and_body_without_a_separator_touch(template: str) -> None:
    assert query_touches_body(_nodes(template))


@pytest.mark.parametrize(
    "template",
    [
        "{raw_query}\n{body}",
        "{raw_query}",
        "{sha256(target,'|',body)}",
        "{body}{path}",
        "{path}{body}",
        "{path}{target}",
        "{target}{path}",
    ],
)
def test_query_and_body_with_something_between_do_not_touch(template: str) -> None:
    assert not query_touches_body(_nodes(template))


def test_reading_a_document_is_reading_the_body() -> None:
    assert names_in(_nodes("{path}{sorted_pairs(ws:/a)}")) == {"path", "body"}
    assert names_in(()) == frozenset()
