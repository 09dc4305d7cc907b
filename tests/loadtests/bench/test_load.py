"""What wrk says, read; and a load of one's own."""

import shutil
from pathlib import Path

import pytest

from loadtests.bench import load as loads
from loadtests.bench.backend import backend
from loadtests.bench.gateway import BenchGateway, Spent, serving
from loadtests.bench.load import Load, Sent, load, read_wrk
from loadtests.bench.signed import Kind

_SAID = """Running 2s test @ http://127.0.0.1:18080
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     7.34ms    1.79ms  19.40ms   73.99%
    Req/Sec     4.37k     0.87k    5.57k    62.50%
  Latency Distribution
     50%  653.00us
     75%    8.74ms
     90%    9.67ms
     99%    1.24s
  8714 requests in 2.01s, 2.78MB read
Requests/sec:   4341.68
Transfer/sec:      1.39MB
"""


def test_other_columns_that_end_like_a_percentile_are_not_read_as_one() -> None:
    assert read_wrk(_SAID) == Sent(rps=4341.68, answered=8714, refused=0, p50_ms=0.653, p99_ms=1240.0)


def test_refusals_and_errors_are_told() -> None:
    said = _SAID + "  Socket errors: connect 0, read 3, write 0, timeout 0\n  Non-2xx or 3xx responses: 17\n"
    sent = read_wrk(said)
    assert (sent.refused, sent.errors) == (17, "connect 0, read 3, write 0, timeout 0")


def test_no_answer_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="no request was answered"):
        read_wrk("unable to connect to 127.0.0.1:18080 Connection refused\n")


def test_cpu_is_counted_by_answer() -> None:
    cost = Load(Sent(rps=1.0, answered=2000, refused=0, p50_ms=1.0, p99_ms=1.0), Spent(0.3, 0.1))
    assert (cost.cpu_us, cost.system_us) == (200.0, 50.0)


def test_an_answer_of_another_kind_ends_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_refused(_gateway: object, _file: Path, _seconds: int, _connections: int) -> Sent:
        return Sent(rps=10.0, answered=10, refused=1, p50_ms=1.0, p99_ms=1.0)

    monkeypatch.setattr(loads, "_by_wrk", one_refused)
    monkeypatch.setattr(loads, "_by_ourselves", one_refused)
    gateway = BenchGateway(port=1, pid=1, profile="base")
    with pytest.raises(RuntimeError, match="0 should have been refused"):
        load(gateway, Kind.ACCEPTED, 0)
    with pytest.raises(RuntimeError, match="10 should have been refused"):
        load(gateway, Kind.FORGED, 0)


@pytest.mark.system
def test_without_wrk_our_own_client_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    with backend() as url, serving("base", backend=url) as gateway:
        monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
        accepted, forged = load(gateway, Kind.ACCEPTED, 1), load(gateway, Kind.FORGED, 1)
    assert accepted.sent.refused == 0 < accepted.sent.answered
    assert forged.sent.refused == forged.sent.answered > 0
    assert 0 < accepted.sent.p50_ms <= accepted.sent.p99_ms
    assert accepted.cpu_us > accepted.system_us > 0
