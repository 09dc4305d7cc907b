"""Guard-Assertion as a backend gets it, verified by the very program that docs/assertion.md shows."""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.gateway import RunningGateway, eventually, running_gateway
from tests.system.raw_http import Connection, message
from tests.system.recording_backend import Received, RecordingBackend

pytestmark = pytest.mark.system

_DOC = (Path(__file__).parents[2] / "docs" / "assertion.md").read_text()
_SNIPPET = re.search(r"with `cryptography` and nothing else:\n\n```python\n(.*?)```", _DOC, re.DOTALL)
_POLICY = """
version: 1
service: exchange
upstream: {url: "${BACKEND_URL}", assertion: ed25519}
routes:
  GET /v1/{rest...}: {scope: read}
  POST /v1/orders: {scope: trade}
  POST /open/upload: {auth: none}
  GET /open/time: {auth: none}
"""
_BODY = b'{"side":"buy"}'
_TARGET = "/v1/orders?a=%20b&c"


def _program() -> dict[str, Any]:
    assert _SNIPPET is not None
    program: dict[str, Any] = {}
    exec(_SNIPPET[1], program)  # noqa: S102  # our own document
    return program


@pytest.fixture(scope="module")
def asserting(tmp_path_factory: pytest.TempPathFactory, backend: RecordingBackend) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("asserting")
    (home / "policies").mkdir()
    (home / "policies" / "exchange.yaml").write_text(_POLICY)
    with running_gateway(home, backend, policies=home / "policies") as running:
        yield running


@pytest.fixture(scope="module")
def keys(asserting: RunningGateway) -> Any:
    return _program()["trusted_keys"](asserting.guard("assertion"))


@pytest.fixture(scope="module")
def received(asserting: RunningGateway) -> Received:
    """A signed order as the backend got it."""
    return asserting.assert_forwarded(asserting.signed("POST", _TARGET, _BODY))[1]


@pytest.fixture
def verify(keys: Any, received: Received) -> Callable[..., dict[str, Any]]:
    """The document's verifier, told what the backend got, but for what a test changes."""

    def verified(**changes: Any) -> dict[str, Any]:
        told = {
            "keys": keys,
            "service": "exchange",
            "method": received.method,
            "target": received.target.decode(),
            "body": received.body,
        }
        assertion = changes.pop("assertion", _assertion(received))
        claims: dict[str, Any] = _program()["verified"](assertion, **{**told, **changes})
        return claims

    return verified


def _assertion(received: Received) -> str:
    [value] = received.values(b"guard-assertion")
    return value.decode()


def _payload(assertion: str) -> dict[str, Any]:
    payload = assertion.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def test_a_backend_can_verify_who_sent_exactly_this_request(
    asserting: RunningGateway, verify: Callable[..., dict[str, Any]], received: Received
) -> None:
    claims = verify()
    assert (claims["sub"], claims["key"], claims["scope"]) == ("acme", asserting.keys["trader"].id, "read trade")
    assert [claims["jti"].encode()] == received.values(b"guard-request-id")
    assert abs(claims["iat"] - time.time()) < 10
    assert claims["exp"] - claims["iat"] == 30


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"now": time.time() + 3600}, "expired"),
        ({"now": time.time() - 3600}, "in the future"),
        ({"service": "other"}, "another service"),
        ({"method": "GET"}, "another request"),
        ({"target": "/v1/orders"}, "another request"),
        ({"body": b'{"side":"sell"}'}, "another body"),
        ({"body": b""}, "another body"),
        ({"keys": {}}, "no assertion"),
        ({"assertion": ""}, "no assertion"),
        ({"assertion": "a.b"}, "no assertion"),
        ({"assertion": "e30.e30.e30"}, "no assertion"),
        ({"assertion": "W10.e30.e30"}, "no assertion"),
    ],
)
def test_an_assertion_is_good_for_nothing_else(
    verify: Callable[..., dict[str, Any]], change: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        verify(**change)


def _replaced(part: int, content: bytes) -> Callable[[str], str]:
    def change(assertion: str) -> str:
        parts = assertion.split(".")
        parts[part] = base64.urlsafe_b64encode(content).rstrip(b"=").decode()
        return ".".join(parts)

    return change


@pytest.mark.parametrize(
    "change",
    [
        _replaced(0, b'{"alg":"none","typ":"guard-assertion+jwt"}'),
        _replaced(0, b'{"alg":"HS256","typ":"guard-assertion+jwt"}'),
        _replaced(1, b'{"iss":"guard","aud":"exchange","sub":"other"}'),
        _replaced(2, bytes(64)),
        _replaced(2, b""),
        lambda assertion: assertion[:-2],
    ],
)
def test_an_assertion_that_was_changed_is_refused(
    verify: Callable[..., dict[str, Any]], received: Received, change: Callable[[str], str]
) -> None:
    with pytest.raises(ValueError, match="no assertion"):
        verify(assertion=change(_assertion(received)))


def test_an_assertion_of_another_guard_is_refused(
    verify: Callable[..., dict[str, Any]], keys: Any, tmp_path: Path, backend: RecordingBackend
) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "exchange.yaml").write_text(_POLICY)
    with running_gateway(tmp_path, backend, policies=tmp_path / "policies") as other:
        _, received = other.assert_forwarded(other.signed("POST", _TARGET, _BODY))
        theirs = _program()["trusted_keys"](other.guard("assertion"))
    assert verify(assertion=_assertion(received), keys=theirs)
    with pytest.raises(ValueError, match="no assertion"):
        verify(assertion=_assertion(received), keys=keys)


def test_a_client_cannot_bring_its_own(asserting: RunningGateway, received: Received) -> None:
    stolen = [(b"Guard-Assertion", _assertion(received).encode())]
    _, got = asserting.assert_forwarded(asserting.signed("GET", "/v1/orders", extra=stolen))
    assert _payload(_assertion(got))["htm"] == "GET"


def test_an_open_route_names_nobody_and_a_streamed_body_is_not_vouched_for(
    asserting: RunningGateway, verify: Callable[..., dict[str, Any]]
) -> None:
    host = [(b"Host", b"gateway.test")]
    _, empty = asserting.assert_forwarded(message("GET", "/open/time", host))
    claims = verify(assertion=_assertion(empty), method="GET", target="/open/time", body=b"")
    assert not {"sub", "key", "scope"} & claims.keys()
    _, at_once = asserting.assert_forwarded(message("POST", "/open/upload", host, b"x"))
    verify(assertion=_assertion(at_once), method="POST", target="/open/upload", body=b"x")
    mark = len(asserting.backend.record)
    with Connection(asserting.port) as connection:
        connection.send(message("POST", "/open/upload", [*host, (b"Content-Length", b"2")], b"x"))
        eventually(lambda: asserting.backend.since(mark))  # so that its end does not come with its head
        assert connection.ask(b"y").status == 200
    (streamed,) = asserting.backend.since(mark)
    told = {"assertion": _assertion(streamed), "method": "POST", "target": "/open/upload"}
    assert verify(**told, body=None)["htm"] == "POST"
    with pytest.raises(ValueError, match="another body"):
        verify(**told, body=b"xy")


def test_no_assertion_is_made_where_the_policy_does_not_ask(gateway: RunningGateway) -> None:
    _, received = gateway.assert_forwarded(gateway.signed("GET", "/v1/orders"))
    assert received.values(b"guard-assertion") == []
    assert not (gateway.home / "assertion.key").exists()


def test_only_its_owner_can_read_the_key(asserting: RunningGateway) -> None:
    assert (asserting.home / "assertion.key").stat().st_mode & 0o077 == 0
