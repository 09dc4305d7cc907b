"""What a backend is told of a request that the line let through."""

import base64
import json
from typing import Any

import msgspec
import pytest

from guard.core.stages import Allow
from guard.edges.identity import identity
from guard.model.facts import Facts
from guard.model.keys import Secret
from guard.model.policy import PolicySet
from guard.signing.assertion import AssertionKey
from tests.build import facts, policies, route, service, signed
from tests.line import decided

_KEY = AssertionKey(Secret(bytes(32)))
_DIGEST_OF_NOTHING = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
_DIGEST_OF_X = "sha-256=:LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=:"


def _rules(*, assertion: bool) -> PolicySet:
    served = service(route(), route("PUT", "/open", auth=None, scope=None))
    return policies(
        msgspec.structs.replace(served, upstream=msgspec.structs.replace(served.upstream, assertion=assertion))
    )


def _allowed(message: Facts, body: bytes | None = None, *, assertion: bool = True) -> Allow:
    allow = decided(message, rules=_rules(assertion=assertion), body=message.body if body is None else body)
    assert isinstance(allow, Allow)
    return allow


def _claimed(allow: Allow) -> dict[str, Any]:
    fields = dict(identity(allow, _KEY))
    payload = fields[b"guard-assertion"].split(b".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    return claims


def test_a_signed_request_names_account_key_scopes_and_request() -> None:
    assert identity(_allowed(signed(), assertion=False), None) == (
        (b"guard-account", b"acme"),
        (b"guard-key-id", b"gk_test"),
        (b"guard-scopes", b"read trade"),
        (b"guard-request-id", b"req_test"),
    )


def test_no_assertion_is_made_unless_the_policy_asks() -> None:
    assert b"guard-assertion" not in dict(identity(_allowed(signed(), assertion=False), _KEY))


def test_an_assertion_states_the_request_as_it_is_forwarded_and_who_sent_it() -> None:
    assert _claimed(_allowed(signed(query=b"a=%20&b", body=b"x"), b"x")) == {
        "iss": "guard",
        "aud": "exchange",
        "jti": "req_test",
        "sub": "acme",
        "key": "gk_test",
        "scope": "read trade",
        "iat": 1_900_000_000,
        "exp": 1_900_000_030,
        "htm": "POST",
        "target": "/v1/orders?a=%20&b",
        "digest": _DIGEST_OF_X,
    }


def test_the_digest_of_a_request_without_a_body_is_that_of_nothing() -> None:
    assert _claimed(_allowed(signed()))["digest"] == _DIGEST_OF_NOTHING


def test_on_an_open_route_nobody_is_named_and_a_streamed_body_is_not_vouched_for() -> None:
    streamed = _claimed(_allowed(facts("PUT", b"/open", body=None)))
    assert streamed.keys() == {"iss", "aud", "jti", "iat", "exp", "htm", "target"}
    assert _claimed(_allowed(facts("PUT", b"/open")))["digest"] == _DIGEST_OF_NOTHING


def test_where_an_assertion_is_due_and_cannot_be_signed_nothing_is_said() -> None:
    with pytest.raises(RuntimeError, match="no key was opened"):
        identity(_allowed(signed()), None)
