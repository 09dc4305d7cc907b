"""Where the gateway of a benchmark keeps its state: in its memory, in a Redis of the benchmark's own, or in another."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from loadtests.bench.gateway import free_port, listens, stop, wait_until

MEMORY = "memory://"
OWN_REDIS = "redis"
_START_S = 10.0


class State(NamedTuple):
    """What the gateway is told, and the process whose CPU counts beside its own."""

    url: str
    pid: int | None = None


@contextmanager
def state(word: str) -> Iterator[State]:
    """`redis` starts one on a free port for the time of the block; all else is a URL."""
    if word != OWN_REDIS:
        yield State(word)
        return
    port = free_port()
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""], stdout=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: listens(port), _START_S)
        yield State(f"redis://127.0.0.1:{port}", process.pid)
    finally:
        stop(process)
