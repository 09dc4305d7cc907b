"""`guard serve --workers` with a Redis: several processes are one gateway."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from guard.core.lifecycle import KeyCommand
from tests.system.gateway import BY, STOP_S, RunningGateway, eventually, running_gateway
from tests.system.raw_http import Connection, ask, message
from tests.system.recording_backend import RecordingBackend, after
from tests.system.running_crew import is_alive, kill

pytestmark = pytest.mark.system

_WORKERS = 3


@contextmanager
def _group(home: Path, backend: RecordingBackend, redis_url: str) -> Iterator[RunningGateway]:
    environment = {"GUARD_STATE_URL": redis_url, "GUARD_STORE_MS_MAX": "1000", "GUARD_WORKERS": str(_WORKERS)}
    with running_gateway(home, backend, environment=environment) as running:
        yield running


@pytest.fixture
def group(tmp_path: Path, backend: RecordingBackend, redis_url: str) -> Iterator[RunningGateway]:
    with _group(tmp_path / "home", backend, redis_url) as running:
        yield running
        if running.process is not None and running.process.poll() is None:
            assert running.stop() == 0
        assert "Traceback" not in running.stderr


def _workers(group: RunningGateway) -> list[int]:
    """The supervisor's children."""
    return [int(pid) for pid in Path(f"/proc/{group.pid}/task/{group.pid}/children").read_text().split()]


def _samples(group: RunningGateway) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    body = ask(group.health_port, message("GET", "/metrics", [(b"Host", b"health")])).body.decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


def _decisions(group: RunningGateway) -> Counter[str]:
    """By reason, `allow` for those without."""
    counted: Counter[str] = Counter()
    for (name, labels), value in _samples(group).items():
        if name == "guard_decisions_total":
            counted[dict(labels)["reason"] or "allow"] += round(value)
    return counted


def test_one_signed_message_sent_to_all_workers_at_once_is_executed_once(group: RunningGateway) -> None:
    mark = len(group.backend.record)
    before = _decisions(group)
    orders = [group.signed("POST", "/v1/orders", b'{"n":%d}' % number) for number in range(20)]
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda content: group.ask(content).status, orders * 6))
    assert Counter(statuses) == {200: 20, 401: 100}
    assert len(group.backend.since(mark)) == 20
    eventually(lambda: _decisions(group) - before == Counter({"allow": 20, "auth.replayed": 100}))
    samples = _samples(group)
    assert samples["guard_replay_rejected_total", frozenset()] == 100
    assert samples["guard_workers", frozenset({("state", "ready")})] == _WORKERS
    assert samples["guard_store_up", frozenset({("store", "redis")})] == 1
    granted = frozenset({("op", "charge"), ("outcome", "granted")})
    assert samples["guard_store_op_seconds_count", granted] >= 20


def test_a_worker_that_is_killed_is_replaced_and_what_it_had_seen_stays_seen(group: RunningGateway) -> None:
    order = group.signed("POST", "/v1/orders", b'{"n":1}')
    assert group.ask(order).status == 200
    victims = _workers(group)
    assert len(victims) == _WORKERS
    for victim in victims:
        kill(victim, signal.SIGKILL)
    eventually(lambda: len(_workers(group)) == _WORKERS and not set(victims) & set(_workers(group)), 20)
    eventually(lambda: group.readyz().status == 200, 30)
    assert group.ask(order).status == 401
    group.assert_alive()


def test_a_key_that_is_revoked_is_refused_by_every_worker(group: RunningGateway) -> None:
    with Connection(group.port) as one, Connection(group.port) as two, Connection(group.port) as three:
        for connection in (one, two, three):
            assert connection.ask(group.signed("GET", "/v1/canary", key="canary")).status == 200
        group.keyring(lambda keyring: keyring.command(group.keys["canary"].id, KeyCommand.DEACTIVATE, BY))
        eventually(lambda: all(connection.ended() for connection in (one, two, three)))
    eventually(lambda: _statuses(group, "canary", 12) == {401}, 2.0)
    assert _statuses(group, "canary", 12) == {401}


def _statuses(group: RunningGateway, key: str, count: int) -> set[int]:
    """What so many requests on connections of their own are answered; 0 for one that is cut off."""
    seen: set[int] = set()
    for _ in range(count):
        try:
            seen.add(group.ask(group.signed("GET", "/v1/canary", key=key)).status)
        except OSError:
            seen.add(0)
    return seen


def test_a_graceful_stop_answers_what_is_in_flight_on_all_workers(group: RunningGateway) -> None:
    pids = _workers(group)
    assert group.process is not None
    with group.backend.script("/open/slow", after(0.7)), ExitStack() as stack:
        connections = [stack.enter_context(Connection(group.port)) for _ in range(9)]
        mark = len(group.backend.record)
        for connection in connections:
            connection.send(message("GET", "/open/slow", [(b"Host", b"gateway.test")]))
        eventually(lambda: len(group.backend.since(mark)) == 9)
        group.process.send_signal(signal.SIGTERM)
        assert [connection.response().status for connection in connections] == [200] * 9
        assert group.process.wait(STOP_S + 5) == 0
    assert not any(is_alive(pid) for pid in pids)
    assert len([line for line in group.decisions() if line["route"] == "GET /open/{rest...}"]) >= 9


def test_workers_whose_database_cannot_be_used_are_one_clear_sentence(tmp_path: Path, redis_url: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "guard.db").write_bytes(b"no database at all, but long enough to be taken for one" * 20)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "a.yaml").write_text(
        "version: 1\nservice: a\nupstream: http://127.0.0.1:9\nauth: {scheme: guard-v1}\n"
        "routes: {GET /x: {scope: read}}\n"
    )
    command = [sys.executable, "-m", "guard", "serve", "--workers", "2", "--policies", str(tmp_path / "policies")]
    command += ["--listen", "127.0.0.1:0", "--state-url", redis_url]
    done = subprocess.run(  # noqa: S603  # our own program
        command, env={"GUARD_HOME": str(home)}, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert done.stderr.decode().splitlines()[-1].startswith("error: ")
