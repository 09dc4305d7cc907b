"""What a line of a log tells of its request."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model.names import Address, UnixMs
from guard.wire.access_log import LogError, LogForm, LogLine, line_reader

AT = UnixMs(1_795_000_000_123)
WRITTEN = "2026-11-18T11:06:40.123Z"


def read(form: LogForm, told: dict[str, Any], key_field: str | None = None) -> LogLine:
    return line_reader(form, key_field)(json.dumps(told).encode())


def decision(**changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ts": WRITTEN,
        "id": "req_1",
        "decision": "allow",
        "service": "exchange",
        "method": "DELETE",
    }
    told |= {"route": "DELETE /v1/orders/{id}", "cost": 3, "key": "gk_7f…1a2b", "account": "acme", "ip": "203.0.113.7"}
    return told | {"bytes_in": 211, "shadow": ["limit.weight"]} | changes


def test_a_decision_is_told_with_a_path_that_its_route_matches() -> None:
    assert read(LogForm.GUARD, decision()) == LogLine(
        at=AT,
        verb="DELETE",
        authority=b"",
        path=b"/v1/orders/0",
        service="exchange",
        ip=Address("203.0.113.7"),
        key="gk_7f…1a2b",
        account="acme",
        outcome="allow",
        route="DELETE /v1/orders/{id}",
        shadow=("limit.weight",),
        cost=3,
        body_bytes=211,
    )


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"decision": "deny", "reason": "limit.key"}, "limit.key"),
        ({"decision": "allow", "reason": "upstream.timeout"}, "allow"),
        ({"decision": "deny"}, "allow"),
    ],
)
def test_an_outcome_is_what_was_decided_and_not_what_became_of_it(changes: dict[str, Any], outcome: str) -> None:
    assert read(LogForm.GUARD, decision(**changes)).outcome == outcome


def test_a_rest_of_a_path_and_head_on_a_route_of_get_are_told_as_they_came() -> None:
    line = read(LogForm.GUARD, decision(route="GET /v1/{rest...}", method="HEAD"))
    assert (line.verb, line.path) == ("HEAD", b"/v1/0")


def test_what_matched_no_route_has_no_path() -> None:
    line = read(LogForm.GUARD, decision(route=None, decision="deny", reason="route.unknown"))
    assert (line.path, line.outcome) == (None, "route.unknown")


NGINX = {
    "time_iso8601": "2026-11-18T12:06:40+01:00",
    "request_method": "GET",
    "request_uri": "/v1/depth?limit=100",
    "http_host": "api.example.com",
    "remote_addr": "203.0.113.7",
    "status": 200,
    "content_length": "12",
    "http_guard_key": "gk_1",
}
ENVOY = {
    "start_time": "2026-11-18T11:06:40.000Z",
    "method": "GET",
    "path": "/v1/depth?limit=100",
    "authority": "api.example.com",
    "downstream_remote_address": "203.0.113.7:51000",
    "response_code": 200,
    "bytes_received": 12,
    "http_guard_key": "gk_1",
}


@pytest.mark.parametrize(("form", "told"), [(LogForm.NGINX, NGINX), (LogForm.ENVOY, ENVOY)])
def test_the_usual_logs_tell_the_same(form: LogForm, told: dict[str, Any]) -> None:
    assert read(form, told, "http_guard_key") == LogLine(
        at=UnixMs(AT - 123),
        verb="GET",
        authority=b"api.example.com",
        path=b"/v1/depth",
        query=b"limit=100",
        service=None,
        ip=Address("203.0.113.7"),
        key="gk_1",
        account="gk_1",
        outcome="allow",
        body_bytes=12,
    )


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "allow"), (401, "auth.invalid"), (403, "authz.scope"), (429, "allow"), (502, "allow"), ("-", "allow")],
)
def test_a_status_tells_only_of_auth(status: object, outcome: str) -> None:
    assert read(LogForm.NGINX, NGINX | {"status": status}).outcome == outcome


@pytest.mark.parametrize("key", ["-", "", None])
def test_a_field_without_a_key_names_none(key: object) -> None:
    line = read(LogForm.NGINX, NGINX | {"http_guard_key": key}, "http_guard_key")
    assert (line.key, line.account) == (None, None)


@pytest.mark.parametrize("at", [1_795_000_000.5, "1795000000.500", "1795000000.5"])
def test_a_time_may_be_seconds(at: object) -> None:
    told = {name: value for name, value in NGINX.items() if name != "time_iso8601"} | {"msec": at}
    assert read(LogForm.NGINX, told).at == 1_795_000_000_500


@pytest.mark.parametrize(("address", "told"), [("[2001:db8::1]:443", "2001:db8::1"), ("2001:db8::1", "2001:db8::1")])
def test_an_address_comes_without_its_port(address: str, told: str) -> None:
    assert read(LogForm.ENVOY, ENVOY | {"downstream_remote_address": address}).ip == told


@pytest.mark.parametrize(
    ("form", "line", "why"),
    [
        (LogForm.GUARD, b"{", "no line of a decision log"),
        (LogForm.GUARD, b'{"ts": 1, "decision": "allow"}', "no line of a decision log"),
        (LogForm.GUARD, b'{"ts": "yesterday", "decision": "allow"}', "is no time"),
        (LogForm.NGINX, b"[]", "no JSON object"),
        (LogForm.NGINX, b"{}", "no path: none of request_uri, uri"),
        (LogForm.NGINX, json.dumps(NGINX | {"content_length": "much"}).encode(), "is no number"),
        (LogForm.ENVOY, json.dumps({"path": "/x", "method": "GET", "authority": "h"}).encode(), "no time"),
    ],
)
def test_what_cannot_be_read_says_why(form: LogForm, line: bytes, why: str) -> None:
    with pytest.raises(LogError, match=why):
        line_reader(form)(line)


@given(st.sampled_from(list(LogForm)), st.one_of(st.binary(max_size=200), st.dictionaries(st.text(), st.text())))
def test_no_line_raises_anything_else(form: LogForm, content: bytes | dict[str, str]) -> None:
    line = content if isinstance(content, bytes) else json.dumps(content | {"path": "/", "ts": "1e999"}).encode()
    try:
        line_reader(form, "key")(line)
    except LogError:
        return
