"""One load on one gateway: signed requests over connections that stay open, for some seconds, and what they cost.

wrk sends them where it is installed; else `asking.py`, which leaves less of the machine to the gateway. CPU a request
is the figure to compare: it moves little when the machine is busy.
"""

import http.client
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from loadtests.bench import asking
from loadtests.bench.gateway import BenchGateway, Spent, spent
from loadtests.bench.serving import HERE, KEYS
from loadtests.bench.signed import BODY, EXPECTED, SEPARATOR, Kind, requests

CONNECTIONS = 32
_RATE_MAX = 60_000
_ASKED_RATE_MAX = 20_000
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class Sent(NamedTuple):
    """What the sender saw. `refused` counts all answers but 2xx and 3xx."""

    rps: float
    answered: int
    refused: int
    p50_ms: float
    p99_ms: float
    errors: str = ""


class Load(NamedTuple):
    """What one load was and cost."""

    sent: Sent
    spent: Spent

    @property
    def cpu_us(self) -> float:
        """CPU microseconds a request, the kernel's included."""
        return self.spent.total_s / self.sent.answered * 1e6

    @property
    def system_us(self) -> float:
        """The kernel's part of them."""
        return self.spent.system_s / self.sent.answered * 1e6


def warm(gateway: BenchGateway, kind: Kind) -> None:
    """Empty the buckets that shall be empty, then see that the answer is the right one. Raises RuntimeError if not."""
    port, rounds = gateway.port, KEYS if kind is Kind.EXHAUSTED_KEY else 1
    for request in requests(kind, gateway.profile, rounds):
        _asked(port, request)
    found = _asked(port, next(requests(kind, gateway.profile, 1)))
    if found != EXPECTED[kind]:
        raise RuntimeError(f"{kind}: {found} in place of {EXPECTED[kind]}")


def load(gateway: BenchGateway, kind: Kind, seconds: int, *, connections: int = CONNECTIONS) -> Load:
    """Send requests of one kind. Raises RuntimeError if one of them is not answered as its kind should be."""
    send = _by_wrk if shutil.which("wrk") else _by_ourselves
    with tempfile.NamedTemporaryFile(prefix="bench-", suffix=".requests") as file:
        rate_max = _RATE_MAX if send is _by_wrk else _ASKED_RATE_MAX
        content = SEPARATOR.join(requests(kind, gateway.profile, rate_max * seconds))
        file.write(content)
        file.flush()
        before = spent(gateway.pid)
        sent = send(gateway, Path(file.name), seconds, connections)
        used = spent(gateway.pid).since(before)
    wanted = 0 if kind is Kind.ACCEPTED else sent.answered
    if not sent.answered or sent.refused != wanted or sent.errors:
        raise RuntimeError(f"{kind}: {sent}: {wanted} should have been refused")
    return Load(sent, used)


def read_wrk(text: str) -> Sent:
    """What wrk printed with --latency. Raises RuntimeError if nothing was answered."""
    done = re.search(r"(\d+) requests in ", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    percentiles = dict(re.findall(r"^ +(50|99)% +(\S+)$", text, re.MULTILINE))
    if done is None or rate is None or len(percentiles) < 2:  # noqa: PLR2004  # p50 and p99
        raise RuntimeError(f"no request was answered:\n{text}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: (.*)", text)
    return Sent(
        rps=float(rate[1]),
        answered=int(done[1]),
        refused=int(refused[1]) if refused else 0,
        p50_ms=_milliseconds(percentiles["50"]),
        p99_ms=_milliseconds(percentiles["99"]),
        errors=errors[1] if errors else "",
    )


def _by_wrk(gateway: BenchGateway, file: Path, seconds: int, connections: int) -> Sent:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(HERE / "requests.lua")]
    environment = {**os.environ, "REQUESTS": str(file)}
    out = subprocess.run([*command, gateway.url], env=environment, capture_output=True, text=True, check=False)
    return read_wrk(out.stdout + out.stderr)


def _by_ourselves(gateway: BenchGateway, file: Path, seconds: int, connections: int) -> Sent:
    seen = asking.ask(gateway.port, file.read_bytes().split(SEPARATOR), seconds, connections)
    latencies = sorted(seen.latencies_ms)
    return Sent(
        rps=len(latencies) / seen.seconds,
        answered=len(latencies),
        refused=seen.refused,
        p50_ms=latencies[len(latencies) // 2],
        p99_ms=latencies[len(latencies) * 99 // 100],
    )


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)([a-z]+)", text).groups()  # type: ignore[union-attr]  # wrk's form
    return float(number) * _UNITS_MS[unit]


def _asked(port: int, request: bytes) -> tuple[int, str | None]:
    """The status of one answer, and the reason that it names."""
    head, _, _ = request.partition(b"\r\n\r\n")
    line, *given = head.decode().split("\r\n")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.putrequest("POST", line.split(" ")[1], skip_host=True, skip_accept_encoding=True)
    for field in given:
        connection.putheader(*field.split(": ", 1))
    connection.endheaders(BODY)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("guard-reason")
