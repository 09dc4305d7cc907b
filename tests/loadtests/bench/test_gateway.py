"""What a process has used, and waiting for one."""

import os
import subprocess
import sys

import pytest

from loadtests.bench.gateway import Spent, free_port, listens, spent, stop, wait_until


def test_a_process_tree_is_counted_with_its_children() -> None:
    """A child that has burned a tenth of a second, and waits. Half of it must be seen: it is told in ticks."""
    burn = "import time\nwhile time.process_time() < 0.1: pass\nprint(flush=True)\ninput()"
    before = spent(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603  # our own
    assert child.stdout is not None
    child.stdout.readline()
    assert spent(os.getpid()).since(before).total_s > 0.05
    assert spent(child.pid).total_s > 0.05
    child.communicate(b"\n")
    stop(child)


def test_a_process_that_is_gone_has_used_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert spent(child.pid) == Spent(0.0, 0.0)


def test_waiting_has_an_end() -> None:
    with pytest.raises(RuntimeError, match="not ready within 0 s"):
        wait_until(lambda: False, 0)


def test_a_free_port_is_nobody_s() -> None:
    assert not listens(free_port())
