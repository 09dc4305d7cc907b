"""The process ends, at once or in order: nothing is executed twice, and nothing that was promised is lost."""

import asyncio
import errno
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from tests.system.gateway import NOBODY_URL, POLICIES, STOP_S, RunningGateway, eventually, running_gateway
from tests.system.key_holder import minted, signed
from tests.system.raw_http import Connection, message
from tests.system.recording_backend import Peer, Received, RecordingBackend, after

pytestmark = pytest.mark.system

_HOST = [(b"Host", b"gateway.test")]


@pytest.fixture
def own(tmp_path: Path, backend: RecordingBackend) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path / "home", backend) as running:
        yield running


def test_a_kill_in_the_middle_of_traffic_executes_nothing_twice(own: RunningGateway) -> None:
    """Eight clients send marked orders, the gateway is killed and started again, and each sends every order again.

    Each mark is at the backend at most once; what was answered 200 is there; the decision log has whole lines only.
    """
    numbers, stopped = count(), threading.Event()
    sent: dict[bytes, bytes] = {}
    answered: set[bytes] = set()

    def trade() -> None:
        while not stopped.is_set():
            mark = b'{"mark":%d}' % next(numbers)
            sent[mark] = own.signed("POST", "/v1/orders", mark)
            try:
                if own.ask(sent[mark]).status == 200:
                    answered.add(mark)
            except OSError:
                time.sleep(0.01)

    start = len(own.backend.record)
    with own.backend.script("/v1/orders", after(0.005)), ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(trade)
        eventually(lambda: len(answered) > 100)
        own.kill()
        stopped.set()
    killed_at = _settled(own.backend)
    own.start()
    for content in sent.values():
        response = own.ask(content)
        assert response.status == 401, "whatever was signed before the kill stays refused"
    assert own.backend.since(killed_at) == [], "no replay reached the backend"
    times = Counter(each.body for each in own.backend.since(start))
    assert max(times.values()) == 1
    assert answered <= set(times)
    own.assert_alive()
    lines = own.decision_log.read_bytes()
    assert lines.endswith(b"\n")
    assert len(own.decisions()) >= len(answered)


def test_a_kill_loses_no_key_change_that_was_acknowledged(own: RunningGateway) -> None:
    """Made and revoked beside a running server, which is killed at once: both are as they were told."""
    for number in range(5):
        key = minted(f"n{number}")
        own.import_keys(key)
        if number % 2:
            own.guard("keys", "revoke", key.id, "--why", "test")
        own.kill()
        own.start()
        assert own.ask(signed(key, "GET", "/v1/canary")).status == (401 if number % 2 else 200)
        if number == 1:
            break


@pytest.fixture
def patient(tmp_path: Path, backend: RecordingBackend) -> Iterator[RunningGateway]:
    """Waits for an answer longer than it takes a busy machine to stop listening."""
    policies = tmp_path / "policies"
    shutil.copytree(POLICIES, policies)
    exchange = policies / "exchange.yaml"
    exchange.write_text(exchange.read_text().replace("response: 1s", "response: 8s"))
    with running_gateway(tmp_path / "home", backend, policies=policies) as running:
        yield running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_graceful_stop_answers_what_is_in_flight(patient: RunningGateway, number: signal.Signals) -> None:
    """A slow answer, a streaming answer and a slow upload are finished; new connections are refused; exit code 0."""
    assert patient.process is not None
    streamed = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n"

    async def streaming(peer: Peer, _: Received) -> bool:
        await peer.send(streamed)
        await asyncio.sleep(2.5)
        await peer.send(b"4\r\nlast\r\n0\r\n\r\n")
        return True

    body = b'{"late":1}'
    upload = patient.signed("POST", "/v1/orders", body)
    with (
        patient.backend.script("/open/slow", after(2.5)),
        patient.backend.script("/open/stream", streaming),
        Connection(patient.port) as slow,
        Connection(patient.port) as stream,
        Connection(patient.port) as uploading,
        Connection(patient.port) as idle,
    ):
        assert idle.ask(message("GET", "/open/x", _HOST)).status == 200
        mark = len(patient.backend.record)
        slow.send(message("GET", "/open/slow", _HOST))
        stream.send(message("GET", "/open/stream", _HOST))
        uploading.send(upload[:-3])
        eventually(lambda: len(patient.backend.since(mark)) == 2)
        time.sleep(0.05)
        stopping = time.monotonic()
        patient.process.send_signal(number)
        eventually(lambda: _is_refused(patient.port), 3.0)
        uploading.send(upload[-3:])
        assert uploading.response().status == 200
        answers = [slow.response(), stream.response()]
        assert [response.status for response in answers] == [200, 200]
        assert (answers[0].closed, answers[1].body) == (True, b"firstlast")
        assert idle.ended()
        assert patient.process.wait(STOP_S) == 0
        assert time.monotonic() - stopping < STOP_S
    assert "Traceback" not in patient.stderr
    log = {line["route"]: line["sent"] for line in patient.decisions() if line["decision"] == "allow"}
    assert log["POST /v1/orders"] == "yes", "what was finished is logged"


def test_a_stop_waits_no_longer_than_a_bodys_deadline(tmp_path: Path, backend: RecordingBackend) -> None:
    """A client that never sends the last byte of its order: refused at the deadline, and the process ends."""
    deadline = {"GUARD_BODY_MS_MAX": "700"}
    with (
        running_gateway(tmp_path / "home", backend, environment=deadline) as running,
        Connection(running.port) as dribbling,
    ):
        assert running.process is not None
        mark = len(backend.record)
        dribbling.send(running.signed("POST", "/v1/orders", b'{"never":1}')[:-1])
        time.sleep(0.1)
        running.process.send_signal(signal.SIGTERM)
        response = dribbling.response()
        assert (response.status, response.code, response.closed) == (408, "request.timeout", True)
        assert running.process.wait(STOP_S) == 0
        assert backend.since(mark) == []


def test_a_port_that_is_taken_is_one_clear_sentence(own: RunningGateway, tmp_path: Path) -> None:
    """And nothing is served by a second process."""
    listen = f"127.0.0.1:{own.port}"
    command = [sys.executable, "-m", "guard", "serve", "--policies", str(own.policies), "--listen", listen]
    environment = {"GUARD_HOME": str(tmp_path / "second"), "BACKEND_URL": NOBODY_URL, "NOBODY_URL": NOBODY_URL}
    environment["GUARD_ADMIN_LISTEN"] = "none"
    done = subprocess.run(command, env=environment, capture_output=True, timeout=STOP_S, check=False)  # noqa: S603
    assert done.returncode == 1
    assert b"Address already in use" in done.stderr
    assert b"Traceback" not in done.stderr
    own.assert_alive()


def _settled(backend: RecordingBackend) -> int:
    """How many requests the backend has, once no more come of those that were under way."""
    seen = -1
    while seen != (found := len(backend.record)):
        seen = found
        time.sleep(0.1)
    return found


def _is_refused(port: int) -> bool:
    """Whether nobody listens there any more."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED
