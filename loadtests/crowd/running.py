"""What a run needs, for the time of a block: a gateway on free ports of 127.0.0.1, before the benchmark's backend.

Whatever is started is a process group of its own: Ctrl-C reaches the runner alone, which stops the others in order.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from loadtests.bench.backend import backend
from loadtests.bench.gateway import START_S, STOP_S, free_port, ready, wait_until
from loadtests.bench.serving import environment_of, import_keys
from loadtests.crowd.keys import LoadKey

Process = subprocess.Popen[bytes]


class Gateway(msgspec.Struct, frozen=True):
    """A gateway that is ready."""

    url: str
    process: Process


@contextmanager
def gateway(policy: Path, keys: Sequence[LoadKey], *, home: Path, log: Path) -> Iterator[Gateway]:
    """A guard with this policy and these keys. Raises RuntimeError if it does not become ready; its log says why."""
    with backend() as url, log.open("wb") as stderr:
        port, health = free_port(), free_port()
        environment = environment_of(home, policy, port, url)
        environment["GUARD_HEALTH_LISTEN"] = f"127.0.0.1:{health}"
        try:
            import_keys([msgspec.structs.asdict(key) for key in keys], home, environment)
        except subprocess.CalledProcessError as failed:
            raise RuntimeError(f"guard keys import has ended with code {failed.returncode}") from None
        process = started([sys.executable, "-m", "guard", "serve"], environment, log=stderr.fileno())
        try:
            wait_until(lambda: ready(process, health), START_S)
            yield Gateway(f"http://127.0.0.1:{port}", process)
        finally:
            end(process)


def started(command: Sequence[str], environment: dict[str, str], *, log: int, cwd: Path | None = None) -> Process:
    """A process group of its own, that reads nothing and writes into a log."""
    return subprocess.Popen(
        command, env=environment, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
    )


def end(process: Process) -> None:
    """SIGTERM to the process and its group; SIGKILL to those that do not obey, or outlive it."""
    _tell(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    _tell(process, signal.SIGKILL)
    process.wait()


def _tell(process: Process, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, what)
