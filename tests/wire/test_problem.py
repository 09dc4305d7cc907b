import json
from typing import Any

import msgspec
import pytest

from guard.model.decision import About, Deny
from guard.model.exchange import Sent
from guard.model.names import AccountId, KeyId, RequestId, UnixMs
from guard.model.questions import Reading
from guard.model.reasons import TABLE
from guard.wire.problem import ProblemAnswer, problem
from tests.build import limit, rule

REQUEST_ID = RequestId("req_01JX")


def answer(code: str, **changes: Any) -> ProblemAnswer:
    return problem(Deny(code=code, **changes), REQUEST_ID, Sent.NO, "exchange")


def fields_of(result: ProblemAnswer) -> dict[bytes, bytes]:
    assert len(dict(result.fields)) == len(result.fields)
    return dict(result.fields)


def short(name: str = "key", *, next_ms: int = 50, **changes: Any) -> Reading:
    reading: dict[str, Any] = {"limit": limit(name, capacity=40), "remaining": 2, "wait_ms": next_ms, "cost": 3}
    return Reading(**{**reading, "next_ms": next_ms, "short": True, **changes})


def test_a_limit_is_told_in_full() -> None:
    result = answer("limit.key", rule=rule("limits.key"), detail="needs 3", wait_ms=1050, readings=(short(),))
    assert result.status == 429
    assert json.loads(result.body) == {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "code": "limit.key",
        "detail": "needs 3",
        "request_id": "req_01JX",
        "sent": "no",
        "violated-policies": ["key"],
        "retry_after_ms": 1050,
    }
    assert result.fields == (
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(result.body)).encode()),
        (b"cache-control", b"no-store"),
        (b"guard-request-id", b"req_01JX"),
        (b"guard-reason", b"limit.key"),
        (b"guard-sent", b"no"),
        (b"retry-after", b"2"),
        (b"ratelimit-policy", b'"key";q=40;w=40;guard-unit="cost"'),
        (b"ratelimit", b'"key";r=2;t=1'),
    )


def test_a_plain_refusal_says_no_more_than_it_knows() -> None:
    result = answer("route.unknown")
    assert (result.status, json.loads(result.body)) == (
        404,
        {
            "type": "urn:guard:problem:route.unknown",
            "title": "No policy knows this route",
            "status": 404,
            "code": "route.unknown",
            "request_id": "req_01JX",
            "sent": "no",
        },
    )
    assert set(fields_of(result)) == {
        *(b"content-type", b"content-length", b"cache-control", b"guard-request-id", b"guard-reason", b"guard-sent")
    }


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
def test_each_row_of_the_table_is_answered_by_its_public_column(row: Any) -> None:
    result = answer(row.code, allow=("GET",))
    body = json.loads(result.body)
    assert (result.status, body["status"], body["code"], body["type"]) == (
        *(row.status, row.status, row.public, row.problem_type),
    )
    assert fields_of(result)[b"guard-reason"] == row.public.encode()
    assert (b"www-authenticate" in fields_of(result)) == (row.status == 401)
    assert (b"allow" in fields_of(result)) == (row.status == 405)
    assert (b"retry-after" in fields_of(result)) == (row.status == 503)


HIDDEN = [row.code for row in TABLE if row.public != row.code]


def test_there_are_reasons_that_the_client_must_not_tell_apart() -> None:
    assert {"auth.unknown_key", "auth.bad_signature", "auth.bad_digest", "auth.algorithm"} <= set(HIDDEN)


@pytest.mark.parametrize("code", [*HIDDEN, "auth.invalid"])
def test_whatever_is_wrong_with_credentials_the_answer_is_the_same_byte_for_byte(code: str) -> None:
    telling = answer(
        code,
        rule=rule(),
        detail="a detail",
        wait_ms=7,
        readings=(short(),),
        allow=("GET",),
        server_time=UnixMs(5),
        skew_ms=6,
        about=About(KeyId("gk_secret"), "guard-v1", AccountId("acme")),
    )
    assert telling == answer("auth.invalid")
    assert b"detail" not in telling.body


def test_a_401_names_the_realm_and_the_public_reason() -> None:
    expected = b'Guard realm="exchange", error="auth.invalid"'
    assert fields_of(answer("auth.bad_signature"))[b"www-authenticate"] == expected
    quoted = problem(Deny(code="auth.missing"), REQUEST_ID, Sent.NO, 'a"b\\')
    assert fields_of(quoted)[b"www-authenticate"] == b'Guard realm="a\\"b\\\\", error="auth.missing"'


def test_a_405_lists_the_methods() -> None:
    assert fields_of(answer("route.method", allow=("GET", "POST")))[b"allow"] == b"GET, POST"
    assert fields_of(answer("route.method"))[b"allow"] == b""


@pytest.mark.parametrize("code", ["auth.stale", "auth.future"])
def test_a_wrong_clock_is_told_the_time(code: str) -> None:
    body = json.loads(answer(code, server_time=UnixMs(1_900_000_000_000), skew_ms=-70_000).body)
    assert (body["server_time_ms"], body["skew_ms"]) == (1_900_000_000_000, -70_000)


def test_nobody_else_is_told_the_time() -> None:
    body = json.loads(answer("auth.replayed", server_time=UnixMs(1_900_000_000_000), skew_ms=7).body)
    assert not {"server_time_ms", "skew_ms"} & set(body)


@pytest.mark.parametrize(
    ("code", "wait_ms", "expected"),
    [
        ("limit.key", 1, b"1"),
        ("limit.key", 1000, b"1"),
        ("limit.key", 1001, b"2"),
        ("limit.key", 0, b"1"),
        ("limit.key", None, None),
        ("store.unavailable", 1000, b"1"),
        ("store.unavailable", 2500, b"3"),
        ("store.unavailable", None, b"1"),
        ("authz.scope", 1000, None),
    ],
)
def test_retry_after_is_in_whole_seconds_where_trying_again_can_help(
    code: str, wait_ms: int | None, expected: bytes | None
) -> None:
    assert fields_of(answer(code, wait_ms=wait_ms)).get(b"retry-after") == expected


def test_retry_after_is_not_earlier_than_any_t_that_is_told() -> None:
    readings = (short("key", next_ms=50), short("orders", next_ms=4001), short("full", next_ms=90_000, short=False))
    assert fields_of(answer("limit.key", wait_ms=50, readings=readings))[b"retry-after"] == b"5"


def test_only_limits_that_refused_and_may_be_named_are_violated() -> None:
    shadow = short("hidden", vetoes=False)
    unnamed = short("hidden", limit=msgspec.structs.replace(limit("hidden"), exposed=False), next_ms=90_000)
    fine = short("fine", short=False)
    result = answer("limit.key", wait_ms=50, readings=(short(), shadow, unnamed, fine))
    assert json.loads(result.body)["violated-policies"] == ["key"]
    assert fields_of(result)[b"retry-after"] == b"1"
    assert fields_of(result)[b"ratelimit"] == b'"key";r=2;t=1, "fine";r=2;t=1'


@pytest.mark.parametrize("sent", list(Sent))
def test_the_answer_says_whether_the_backend_was_reached(sent: Sent) -> None:
    result = problem(Deny(code="upstream.timeout"), REQUEST_ID, sent, "exchange")
    assert json.loads(result.body)["sent"] == sent.value
    assert fields_of(result)[b"guard-sent"] == sent.value.encode()


def test_what_is_quoted_in_a_detail_cannot_break_the_json() -> None:
    assert json.loads(answer("request.malformed", detail='"\\\n\x00é').body)["detail"] == '"\\\n\x00é'


def test_a_code_without_a_row_is_a_bug() -> None:
    with pytest.raises(KeyError):
        answer("no.such.code")
