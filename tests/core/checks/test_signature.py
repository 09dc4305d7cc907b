"""The signature covers enough, and verifies, before anything else is believed."""

import hmac

import msgspec
import pytest

from guard.core import decide
from guard.core.stages import Screened
from guard.model.decision import Deny
from guard.model.facts import BodyBroken
from tests.build import NOW, SECRET, auth, facts, policies, record, route, service, signed
from tests.line import SCHEMES, code, decided, identified_as


def test_a_body_that_was_changed_is_refused() -> None:
    assert code(decided(signed(body=b'{"qty":1}'), body=b'{"qty":9}')) == "auth.bad_digest"
    assert code(decided(signed(body=b'{"qty":1}'), body=b"")) == "auth.bad_digest"


def test_a_body_without_a_digest_is_refused_before_it_is_read() -> None:
    message = signed()
    bodied = facts(fields=message.fields, body=None, body_bytes_announced=3)
    assert code(decided(bodied, body=BodyBroken("request.timeout"))) == "auth.malformed"


def test_a_signature_that_does_not_verify_is_refused_before_the_body_is_read() -> None:
    message = signed(body=b"x", secret=b"wrong")
    assert code(decided(message, body=BodyBroken("request.timeout"))) == "auth.bad_signature"


@pytest.mark.parametrize("fault", ["request.timeout", "request.too_large", "request.incomplete", "gateway.overloaded"])
def test_a_body_that_could_not_be_had_is_refused_for_that_reason(fault: str) -> None:
    assert code(decided(signed(body=b"x"), body=BodyBroken(fault))) == fault


def test_a_signed_route_never_goes_without_its_body() -> None:
    assert code(decided(signed(body=b"x"), body=None)) == "request.incomplete"


@pytest.mark.parametrize(
    "changes",
    [
        {"verb": "DELETE"},
        {"path": b"/v1/other"},
        {"query": b"a=1"},
        {"authority": b"other.test"},
    ],
)
def test_a_signature_is_good_for_no_other_message(changes: dict[str, object]) -> None:
    message = signed(query=b"b=2")
    original = facts(query=b"b=2", fields=message.fields)
    moved = msgspec.structs.replace(original, **changes)
    verb, path = moved.verb, moved.path.decode()
    assert code(decided(moved, rules=policies(service(route(verb, path))), body=b"")) == "auth.bad_signature"


def test_what_a_venue_scheme_does_not_sign_must_not_be_there() -> None:
    rules = policies(service(route("GET", auth=auth("binance"), scope=None)))
    query = f"timestamp={NOW}&signature={'0' * 64}".encode()
    bodied = facts("GET", query=query, fields=((b"x-mbx-apikey", b"gk_test"),), body=None)
    assert code(decided(bodied, rules=rules, body=b"x=1")) not in {"allow", "auth.bad_signature"}


def test_what_a_body_brings_twice_is_refused_even_if_it_is_signed() -> None:
    rules = policies(service(route(auth=auth("binance"), scope=None)))
    fields = ((b"x-mbx-apikey", b"gk_test"), (b"content-type", b"application/x-www-form-urlencoded"))

    def sent(unsigned: bytes) -> str:
        signature = hmac.digest(SECRET, unsigned, "sha256").hex().encode()
        body = unsigned + b"&signature=" + signature
        return code(decided(facts(fields=fields, body=None), rules=rules, body=body))

    assert sent(f"symbol=A&timestamp={NOW}".encode()) == "allow"
    assert sent(f"symbol=A&symbol=B&timestamp={NOW}".encode()) in {"auth.malformed", "request.malformed"}


def test_an_unknown_key_is_tried_against_a_decoy_and_refused() -> None:
    screened = decide.screen(identified_as(signed()), None)
    assert isinstance(screened, Screened)
    assert screened.record is not None
    assert screened.record.algorithm in SCHEMES["guard-v1"].algorithms
    denied = decide.verify_head(screened)
    assert isinstance(denied, Deny)
    assert denied.code == "auth.unknown_key"


def test_a_signature_under_the_right_secret_verifies() -> None:
    assert code(decided(signed(), body=b"", key=record())) == "allow"
