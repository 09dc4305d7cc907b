"""A key ends when it is said to end, beside a running server (BYPASSES.md A19, A35; THREATS.md K3, K4)."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path

import pytest

from guard.core.lifecycle import KeyCommand
from guard.service.keyring import By
from tests.system.gateway import BY, STOP_S, RunningGateway, eventually, running_gateway
from tests.system.key_holder import Key, minted, signed, wall_ms
from tests.system.raw_http import Connection, Response
from tests.system.recording_backend import RecordingBackend

pytestmark = pytest.mark.system

_SLO_S = 1.4
"""A second, and what a busy machine adds: `make faults` measures the second."""


def _answers_until(gateway: RunningGateway, key: Key, until_ms: int) -> list[tuple[int, int, str | None]]:
    """Fresh requests one after another: when each was sent and answered, and how."""
    seen = []
    with Connection(gateway.port) as connection:
        while wall_ms() < until_ms:
            sent_ms = wall_ms()
            response = connection.ask(signed(key, "POST", "/v1/orders", b"{}"))
            seen.append((sent_ms, wall_ms(), response.code))
            time.sleep(0.002)
    return seen


def test_a35_a_key_expires_on_the_millisecond(gateway: RunningGateway) -> None:
    """A35, K4: accepted before its end, `auth.expired_key` from then on, and never again accepted."""
    end_ms = wall_ms() + 1500
    key = minted("mortal", expires_at_ms=end_ms)
    gateway.import_keys(key)
    gateway.wait_until_followed()
    seen = _answers_until(gateway, key, end_ms + 300)
    assert [code for _, answered_ms, code in seen if answered_ms < end_ms - 1 and code] == []
    assert {code for sent_ms, _, code in seen if sent_ms > end_ms + 1} == {"auth.expired_key"}
    assert all(before == code for (*_, before), (*_, code) in pairwise(seen) if before)


def test_a35_a_rotated_key_dies_on_the_millisecond_that_its_overlap_ends(gateway: RunningGateway) -> None:
    """K3: old and new are good during the overlap; then only the new one, which the server has learnt meanwhile."""
    old = minted("old")
    gateway.import_keys(old)
    gateway.wait_until_followed()
    before_ms = wall_ms()
    issued = gateway.keyring(lambda keyring: keyring.rotate(old.id, BY, overlap_ms=1200))
    after_ms = wall_ms()
    assert issued.secret is not None
    new = Key(id=issued.key.id, secret=issued.secret.encode())
    eventually(lambda: gateway.ask(signed(new, "POST", "/v1/orders", b"{}")).status == 200, _SLO_S)
    seen = _answers_until(gateway, old, after_ms + 1500)
    assert [code for _, answered_ms, code in seen if answered_ms < before_ms + 1199 and code] == []
    assert {code for sent_ms, _, code in seen if sent_ms > after_ms + 1201} == {"auth.revoked_key"}
    assert gateway.ask(signed(new, "POST", "/v1/orders", b"{}")).status == 200
    gateway.assert_refused(signed(old, "POST", "/v1/orders", b"{}"), 401, "auth.revoked_key")


def test_a35_the_command_line_revokes_beside_a_running_server(gateway: RunningGateway) -> None:
    """Within a second of the command's end; nothing of that key reaches the backend after it."""
    key = minted("leaked")
    gateway.import_keys(key)
    gateway.wait_until_followed()
    with Connection(gateway.port) as warm:
        assert warm.ask(signed(key, "POST", "/v1/orders", b"{}")).status == 200
        gateway.guard("keys", "revoke", key.id, "--why", "leaked")
        eventually(lambda: gateway.ask(signed(key, "POST", "/v1/orders", b"{}")).status == 401, _SLO_S)
        with pytest.raises(ConnectionError):  # cut with its key
            warm.ask(signed(key, "POST", "/v1/orders", b"{}"))
    gateway.assert_refused(signed(key, "POST", "/v1/orders", b"{}"), 401, "auth.revoked_key")
    gateway.assert_refused(signed(key, "GET", "/v1/orders"), 401, "auth.revoked_key")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (KeyCommand.SUSPEND, "auth.suspended_key"),
        (KeyCommand.DEACTIVATE, "auth.revoked_key"),
        (KeyCommand.REPORT_COMPROMISED, "auth.invalid"),
        (KeyCommand.DESTROY, "auth.invalid"),
    ],
)
def test_a35_every_end_of_a_key_counts_within_a_second(gateway: RunningGateway, command: KeyCommand, code: str) -> None:
    key = minted("ending")
    gateway.import_keys(key)
    gateway.wait_until_followed()
    assert gateway.ask(signed(key, "POST", "/v1/orders", b"{}")).status == 200
    gateway.keyring(lambda keyring: keyring.command(key.id, command, By("tests")))
    eventually(lambda: _status(gateway, key) == 401, _SLO_S)
    gateway.assert_refused(signed(key, "POST", "/v1/orders", b"{}"), 401, code)
    if command is KeyCommand.SUSPEND:
        gateway.keyring(lambda keyring: keyring.command(key.id, KeyCommand.RESUME, By("tests")))
        eventually(lambda: gateway.ask(signed(key, "POST", "/v1/orders", b"{}")).status == 200, _SLO_S)


def _status(gateway: RunningGateway, key: Key) -> int | None:
    """None where the connection was cut with the key."""
    with suppress(ConnectionError):
        return gateway.ask(signed(key, "POST", "/v1/orders", b"{}")).status
    return None


def test_a35_a_key_revoked_while_its_body_dribbles_in_forwards_nothing(gateway: RunningGateway) -> None:
    """The head was good, the body's last byte came after the revocation."""
    key, body = minted("dribbling"), b'{"qty":1}'
    gateway.import_keys(key)
    gateway.wait_until_followed()
    content = signed(key, "POST", "/v1/orders", body)
    with gateway.nothing_forwarded(), Connection(gateway.port) as connection:
        connection.send(content[:-1])
        time.sleep(0.1)
        gateway.keyring(lambda keyring: keyring.command(key.id, KeyCommand.DEACTIVATE, By("tests")))
        gateway.wait_until_followed()
        connection.send(content[-1:])
        assert connection.response().code == "auth.revoked_key"


def test_a_body_that_dribbles_past_its_window_forwards_nothing(gateway: RunningGateway) -> None:
    """A second is accepted at the head, and judged again when the body is there."""
    content = gateway.signed("POST", "/v1/quick", b"{}")
    with gateway.nothing_forwarded(), Connection(gateway.port) as connection:
        connection.send(content[:-1])
        time.sleep(1.4)
        connection.send(content[-1:])
        assert connection.response().code == "auth.stale"


@pytest.fixture
def own(tmp_path: Path, backend: RecordingBackend) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path / "home", backend) as running:
        yield running


def test_a19_without_key_records_nothing_passes(own: RunningGateway) -> None:
    """A19: the key database is replaced by an older copy; the view ages, and then every signed request is 503.

    It recovers by itself when the database is as it was. What needs no key goes on.
    """
    with closing(sqlite3.connect(own.home / "guard.db", isolation_level=None)) as database:
        (table,) = database.execute("SELECT name FROM sqlite_master WHERE name LIKE '%head%'").fetchone()
        database.execute(f"UPDATE {table} SET revision = revision - 1")  # noqa: S608  # a name from the schema itself
        refused = eventually(lambda: _refusal(own), STOP_S)
        assert (refused.status, refused.code) == (503, "store.unavailable")
        assert refused.value(b"retry-after") is not None
        assert own.readyz().status == 503
        mark = len(own.backend.record)
        for _ in range(20):
            assert own.ask(_order(own)).code == "store.unavailable"
        assert own.backend.since(mark) == []
        assert own.ask(b"GET /v1/time HTTP/1.1\r\nHost: gateway.test\r\n\r\n").status == 200
        database.execute(f"UPDATE {table} SET revision = revision + 1")  # noqa: S608
    eventually(lambda: own.ask(_order(own)).status == 200, _SLO_S)
    assert own.readyz().status == 200


def _order(gateway: RunningGateway) -> bytes:
    return gateway.signed("POST", "/v1/orders", b"{}")


def _refusal(gateway: RunningGateway) -> Response | None:
    """The answer to an order, once it is refused."""
    response = gateway.ask(_order(gateway))
    return None if response.status == 200 else response
