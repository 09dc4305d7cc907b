"""A new user's first minutes, as the README tells them: the screen, then 200, 401 and 429 in that order."""

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.dev import Dev, command, dev

pytestmark = pytest.mark.system

_ORDER = '{"symbol":"BTC-USD","side":"buy","qty":"0.01","px":"60000"}'


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Dev]:
    with dev(tmp_path / "home") as started:
        yield started


def test_the_next_commands_of_the_readme_give_200_401_and_429_in_that_order(running: Dev) -> None:
    assert "not for production" in running.screen
    assert "guard curl POST /v1/orders" in running.screen.splitlines()[-1]
    first = running.guard("curl", "POST", "/v1/orders", "-d", _ORDER)
    assert first.returncode == 0, first.stderr
    assert "200 OK" in first.stdout
    assert "guard curl --replay @last" in first.stdout
    replay = running.guard("curl", "--replay", "@last")
    assert replay.returncode != 0
    assert "401" in replay.stdout
    assert "auth.replayed" in replay.stdout
    flood = running.guard("flood", "POST", "/v1/orders", "-n", "200", "-c", "20")
    assert "429" in flood.stdout
    assert "limit.key" in flood.stdout
    assert "during the flood → 200" in flood.stdout


def test_the_development_key_is_the_same_at_every_start(tmp_path: Path) -> None:
    keys = []
    for _ in range(2):
        with dev(tmp_path / "home") as started:
            keys.append(started.key)
    assert keys[0] == keys[1]


def test_a_key_that_is_revoked_beside_the_running_gateway_is_refused(running: Dev) -> None:
    assert running.guard("curl", "GET", "/v1/account").returncode == 0
    revoked = running.guard("keys", "revoke", running.key["id"], "--why", "test", "--json")
    assert revoked.returncode == 0, revoked.stderr
    assert json.loads(revoked.stdout)["state"] == "deactivated"
    refused = running.guard("curl", "GET", "/v1/account")
    assert "auth.revoked_key" in refused.stdout


def test_a_request_from_before_a_restart_is_not_executed_after_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with dev(home) as first:
        assert first.guard("curl", "POST", "/v1/orders", "-d", _ORDER).returncode == 0
        first.process.send_signal(signal.SIGKILL)
    with dev(home) as second:
        again = second.guard("curl", "--replay", "@last", "--base-url", second.gateway)
        assert "401" in again.stdout
        assert "auth.stale" in again.stdout


def test_a_port_that_is_taken_is_said_with_the_flag_that_changes_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refused = command(tmp_path / "home", "dev", "--listen", address, "--exchange-listen", "127.0.0.1:0")
    assert refused.returncode == 1
    assert "--listen" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_second_gateway_on_the_same_home_is_refused(running: Dev) -> None:
    second = running.guard("dev", "--listen", "127.0.0.1:0", "--exchange-listen", "127.0.0.1:0")
    assert second.returncode == 1
    assert "GUARD_HOME of its own" in second.stderr
