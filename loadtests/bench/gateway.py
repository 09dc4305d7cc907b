"""A gateway under load: `loadtests/bench/serve` as a child process, ready, measured, and stopped."""

import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from loadtests.bench.serving import HERE, RUN

START_S = 30.0
STOP_S = 15.0
_PORTS = range(15_000, 32_000)
_TICK = os.sysconf("SC_CLK_TCK")


class BenchGateway(NamedTuple):
    """A gateway that is ready."""

    port: int
    pid: int
    profile: str

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"


class Spent(NamedTuple):
    """CPU seconds, in the program and in the kernel for it."""

    user_s: float
    system_s: float

    @property
    def total_s(self) -> float:
        """Both."""
        return self.user_s + self.system_s

    def since(self, before: "Spent") -> "Spent":
        """What was used since an earlier reading."""
        return Spent(self.user_s - before.user_s, self.system_s - before.system_s)


@contextmanager
def serving(
    profile: str, *, backend: str, without: Sequence[str] = (), state: str = "memory://", timed: Path | None = None
) -> Iterator[BenchGateway]:
    """guard, alone and ready, for the time of the block. Raises RuntimeError if it does not become ready."""
    port, health = free_port(), free_port()
    command = [str(HERE / "serve"), "--port", str(port), "--health-port", str(health), "--profile", profile]
    command += ["--backend", backend, "--state", state]
    for part in without:
        command += ["--without", part]
    if timed is not None:
        command += ["--timed", str(timed)]
    process = subprocess.Popen(command)
    try:
        wait_until(lambda: ready(process, health), START_S)
        yield BenchGateway(port, process.pid, profile)
    finally:
        stop(process)
        shutil.rmtree(RUN / str(port), ignore_errors=True)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM, and SIGKILL to one that does not obey."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def spent(pid: int) -> Spent:
    """What a process and its living descendants have used."""
    user, system = 0, 0
    for each in (pid, *_descendants(pid)):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            continue
        user, system = user + int(fields[11]), system + int(fields[12])
    return Spent(user / _TICK, system / _TICK)


def free_port() -> int:
    """A port that nobody uses, below those that the system gives to clients."""
    while True:
        port = secrets.choice(_PORTS)
        if not listens(port):
            return port


def wait_until(seen: Callable[[], bool], within_s: float) -> None:
    """Until it is so. Raises RuntimeError if it takes longer."""
    end = time.monotonic() + within_s
    while not seen():
        if time.monotonic() > end:
            raise RuntimeError(f"not ready within {within_s} s")
        time.sleep(0.05)


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ready(process: "subprocess.Popen[bytes]", health_port: int) -> bool:
    """Whether a gateway serves by now. Raises RuntimeError if it has ended."""
    if process.poll() is not None:
        raise RuntimeError(f"guard has ended with code {process.returncode}")
    connection = http.client.HTTPConnection("127.0.0.1", health_port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _descendants(pid: int) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield int(child)
            yield from _descendants(int(child))
