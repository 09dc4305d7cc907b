"""Two nodes and one Redis: what abuse comes to is counted over both, and by each alone while there is no Redis."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.redis import RedisServer
from tests.system.gateway import RunningGateway, eventually, running_gateway
from tests.system.raw_http import ask, message
from tests.system.recording_backend import RecordingBackend

pytestmark = [pytest.mark.system, pytest.mark.alone]

_POLICY = """
version: 1
service: exchange
match: {hosts: [gateway.test]}
upstream: "${BACKEND_URL}"
abuse:
  signals:
    probing: {on: route.unknown, per: ip, over: 1m, at_least: 10, points: 100}
  ladder: [{at: 80, action: ban, for: 10m}]
routes:
  GET /v1/time: {auth: none}
  GET /v1/canary: {}
"""
_PROBER, _OTHER = "127.0.0.7", "127.0.0.8"
_IN_FORCE_S, _LATE_S = 1.0, 0.4
"""The promise, and what a busy machine is granted."""
_HOST = [(b"Host", b"gateway.test")]


@contextmanager
def _two_nodes(tmp_path: Path, backend: RecordingBackend, state_url: str) -> Iterator[tuple[RunningGateway, ...]]:
    """On one key database."""
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "exchange.yaml").write_text(_POLICY)
    home = tmp_path / "home"
    environment = {"GUARD_STATE_URL": state_url}
    with running_gateway(home, backend, policies=policies, environment=environment) as one:
        other = RunningGateway(home=home, backend=backend, keys=one.keys, policies=policies, environment=environment)
        try:
            other.start()
            yield one, other
        finally:
            other.close()
        assert "Traceback" not in one.stderr


def _probe(node: RunningGateway, times: int) -> None:
    for number in range(times):
        assert node.ask(message("GET", f"/.env{number}", _HOST), source=_PROBER).status == 404


def _code(node: RunningGateway, source: str) -> str | None:
    try:
        answer = node.ask(message("GET", "/v1/time", _HOST), source=source)
    except ConnectionError:  # a ban that comes into force cuts connections
        return "cut"
    return "served" if answer.status == 200 else answer.code


def test_a_signal_is_counted_over_both_nodes_and_its_ban_is_in_force_on_both_within_a_second(
    tmp_path: Path, backend: RecordingBackend, redis_url: str
) -> None:
    with _two_nodes(tmp_path, backend, redis_url) as (one, other):
        _probe(one, 5)
        _probe(other, 4)
        time.sleep(_IN_FORCE_S)
        assert [_code(node, _PROBER) for node in (one, other)] == ["served", "served"]
        _probe(other, 1)
        eventually(
            lambda: [_code(node, _PROBER) for node in (one, other)] == ["abuse.ban", "abuse.ban"],
            _IN_FORCE_S + _LATE_S,
        )
        assert [_code(node, _OTHER) for node in (one, other)] == ["served", "served"]


def test_while_redis_is_down_each_node_counts_on_alone_and_says_so(tmp_path: Path, backend: RecordingBackend) -> None:
    with RedisServer() as server, _two_nodes(tmp_path, backend, server.url) as (one, other):
        server.kill()
        _probe(one, 9)
        _probe(other, 9)
        time.sleep(_IN_FORCE_S)
        assert [_code(node, _PROBER) for node in (one, other)] == ["served", "served"]
        assert 'guard_store_fallback_total{function="scores"} 9.0' in _metrics(one)
        _probe(one, 1)
        eventually(lambda: _code(other, _PROBER) == "abuse.ban", _IN_FORCE_S + _LATE_S)
        assert one.stderr.count("state.unreachable") == 2  # both write there
        assert "guard_abuse_lost_total{" not in _metrics(one)


def _metrics(node: RunningGateway) -> str:
    return ask(node.health_port, message("GET", "/metrics", [(b"Host", b"health")])).body.decode()
