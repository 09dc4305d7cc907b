"""No secret is ever said: not in a log at any level, not in an answer, not on the health listener (BYPASSES.md A48)."""

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard.core.lifecycle import KeyCommand
from guard.model.keys import KeyAlgorithm
from tests.system.conftest import KEYS
from tests.system.gateway import BY, RunningGateway, running_gateway
from tests.system.key_holder import Key, changed, minted, signed_fields
from tests.system.raw_http import ask, message
from tests.system.recording_backend import RecordingBackend, answering

pytestmark = pytest.mark.system

_HOST = [(b"Host", b"gateway.test")]
_CANARY_BODY = b'{"canary":"body-canary-7f3a"}'
_CANARY_QUERY = "query-canary-7f3a"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, backend: RecordingBackend) -> Iterator[RunningGateway]:
    """As talkative as it can be."""
    home = tmp_path_factory.mktemp("talkative")
    with running_gateway(home, backend, KEYS, flags=("--log-level", "debug")) as running:
        yield running


def _requests(gateway: RunningGateway) -> Iterator[bytes]:
    """Good ones and every kind of bad one, each with secrets in it."""
    for name in ("trader", "reader", "rival", "nowhere", "ed25519"):
        key = gateway.keys[name]
        for target in ("/v1/orders", f"/v1/orders?x={_CANARY_QUERY}", "/nowhere", "/open/..", "/v1/withdrawals"):
            fields = signed_fields(key, "POST", target, _CANARY_BODY)
            yield message("POST", target, fields, _CANARY_BODY)
            yield message("POST", target, fields, _CANARY_BODY)
            for field in (b"Guard-Signature", b"Guard-Key", b"Guard-Nonce", b"Guard-Timestamp", b"Content-Digest"):
                yield message("POST", target, changed(fields, field, key.secret.hex().encode()), _CANARY_BODY)
            yield message("POST", target, [*fields, (b"X-Odd", key.secret.hex().encode() + b"\xff")], _CANARY_BODY)
    bare = gateway.keys["bare"].credential
    for value in (bare, bare + b"x", bare[:-1], b"x" + bare, bare + b"\xff", bare * 2, bare.replace(b".", b"")):
        yield message("GET", "/v1/prices", [*_HOST, (b"Guard-Api-Key", value)])
        yield message("GET", "/v1/prices", [*_HOST, (b"Guard-Api-Key", value), (b"Guard-Api-Key", value)])
        yield message("GET", "/v1/prices", [*_HOST, (b"Guard_Api_Key", value)])
        yield message("GET", f"/v1/prices?key={value.decode('latin-1')}", _HOST)
    yield message("GET", "/open/x", [*_HOST, (b"Authorization", b"Bearer " + gateway.keys["trader"].secret)])
    yield b"GET /open/x HTTP/1.1\r\nGuard-Api-Key: " + bare + b"\r\nNonsense\r\n\r\n"
    yield b"\x16\x03" + bare + b"\r\n\r\n"


def _secrets(gateway: RunningGateway) -> set[bytes]:
    """Every secret as it is, and as it may be written; and what a log must not repeat."""
    found = {_CANARY_BODY, b"body-canary", _CANARY_QUERY.encode()}
    for key in gateway.keys.values():
        secret = key.secret
        found |= {secret, secret.hex().encode(), b64encode(secret).rstrip(b"="), repr(secret).encode()}
    return found


def test_a48_no_secret_is_said_anywhere(own: RunningGateway) -> None:
    """A48: with the log at `debug`, good and bad requests, faults of the backend and of the keys' database."""
    told = []
    signatures, nonces = set(), set()
    for content in _requests(own):
        response = own.ask(content)
        told.append(repr(response.fields).encode() + (b"" if response.status == 200 else response.body))
        for line in content.split(b"\r\n"):
            signatures |= {line[17:]} if line.startswith(b"Guard-Signature: ") else set()
            nonces |= {line[13:]} if line.startswith(b"Guard-Nonce: ") else set()
    with own.backend.script("/v1/orders", answering(b"nonsense\r\n\r\n", goes_on=False)):
        told.append(own.ask(own.signed("POST", "/v1/orders", _CANARY_BODY)).body)
    told.append(own.ask(own.signed("POST", "/v1/orders", _CANARY_BODY, host=b"down.test")).body)
    for path in ("/readyz", "/livez", "/metrics", "/"):
        health = ask(own.health_port, message("GET", path, [(b"Host", b"health")]))
        told.append(repr(health.fields).encode() + health.body)
    log, stderr = own.decision_log.read_bytes(), own.stderr.encode()
    said = {"answers": b"\n".join(told), "log": log, "stderr": stderr, "stdout": (own.home / "stdout.log").read_bytes()}
    for place, text in said.items():
        assert [secret for secret in _secrets(own) if secret in text] == [], place
    for text in (log, stderr):
        assert [value for value in signatures | nonces if len(value) > 21 and value in text] == []
        assert [key.id for key in own.keys.values() if key.id.encode() in text and len(key.id) > 12] == []
    assert len(log.splitlines()) > 100


def test_a48_the_log_has_one_whole_line_a_decision_whatever_is_sent(own: RunningGateway) -> None:
    """Line ends, quotes, escapes and terminal codes in what a client chooses forge no line."""
    nasty = b'\\u000a{"decision":"allow"}\x1b[31m'
    contents = [
        message("GET", b'/open/%0a{"decision":"allow"}', _HOST),
        message("GET", "/open/x", [*_HOST, (b"User-Agent", b'"}\\n{"decision":"allow"')]),
        message(
            "GET", "/v1/orders", changed(signed_fields(own.keys["trader"], "GET", "/v1/orders"), b"Guard-Key", nasty)
        ),
        message(
            "GET", "/v1/orders", changed(signed_fields(own.keys["trader"], "GET", "/v1/orders"), b"Guard-Key", b'"}{"')
        ),
        message("G\x1bT", "/open/x", _HOST),
        message("GET", "/open/x", [(b"Host", b'a"\x1b[31m')]),
    ]
    before = len(own.decisions())
    for content in contents:
        own.ask(content)
    own.assert_alive()
    lines = own.decision_log.read_bytes().splitlines()[before:]
    assert len(lines) <= len(contents) + 1
    for line in lines:
        decoded = json.loads(line)
        assert decoded["decision"] in ("allow", "deny")
        assert all(byte >= 0x20 for byte in line)
    assert b"\x1b" not in own.stderr.encode()


def test_a48_the_database_holds_no_secret_in_the_clear(own: RunningGateway) -> None:
    """Nor does its journal; also a key that was made, suspended and destroyed leaves nothing behind but its record."""
    gone = minted("gone")
    own.import_keys(gone)
    issued = own.keyring(lambda keyring: keyring.rotate(gone.id, BY, overlap_ms=60_000))
    own.keyring(lambda keyring: keyring.command(gone.id, KeyCommand.DESTROY, BY))
    own.keyring(lambda keyring: keyring.command(issued.key.id, KeyCommand.SUSPEND, BY))
    assert issued.secret is not None
    held = b"".join(file.read_bytes() for file in own.home.iterdir() if file.name.startswith("guard.db"))
    symmetric = [key.secret for key in own.keys.values() if key.algorithm.symmetric]
    for secret in (*symmetric, gone.secret, issued.secret.encode(), KEYS["ed25519"].secret):
        assert secret not in held
        assert secret.hex().encode() not in held


def test_a48_files_with_secrets_are_their_owners_only(own: RunningGateway) -> None:
    assert Path(own.home / "sealing.key").stat().st_mode & 0o077 == 0


def test_a48_the_command_line_shows_a_secret_once(own: RunningGateway) -> None:
    """When it is made; never in `list`, `show`, `export`, nor in what went wrong."""
    made = json.loads(own.guard("keys", "create", "--account", "acme", "--scopes", "read", "--json"))
    for words in (("list", "--json"), ("show", made["id"], "--json"), ("export",), ("list",), ("show", made["id"])):
        assert made["secret"] not in own.guard("keys", *words)
    own.wait_until_followed()
    key = Key(id=made["id"], secret=made["secret"].encode(), algorithm=KeyAlgorithm.HMAC_SHA256)
    own.assert_forwarded(message("GET", "/v1/orders", signed_fields(key, "GET", "/v1/orders")))
