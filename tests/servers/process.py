"""What all test servers are: a child process in a temporary folder, on a free port of 127.0.0.1, ready when it says so.

It ends with its block, also when the test fails, and with the thread that started it, also when that is killed: so it
is started by a thread that outlives it.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.ports import free_port

START_S = 60.0
_STOP_S = 20.0
_ASK_EVERY_S = 0.01


class Server(ABC):
    """One server. `with` starts and ends it; in between it can be made to fail."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.folder = Path(tempfile.mkdtemp(prefix=f"guard-{name}-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._paused: list[int] = []

    @abstractmethod
    def command(self) -> tuple[str, ...]:
        """What starts it, in the foreground. Everything that it reads has been written."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves."""

    @abstractmethod
    def empty(self) -> None:
        """Forget everything, while it is down."""

    def environment(self) -> dict[str, str]:
        """What it finds in its environment."""
        return dict(os.environ)

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self._name} is not running"
        return self._process.pid

    def told(self) -> str:
        """What it has said last, for whoever waited for it in vain."""
        return self.log[-2000:]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self) -> None:
        """Start it and wait until it serves."""
        self.launch()
        self.until(self.answers)

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        assert self._process is None, f"{self._name} is running"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # a server that the tests installed, or our own program
                ("/usr/bin/setpriv", "--pdeathsig", "KILL", *self.command()),
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.environment(),
                process_group=0,
            )

    def stop(self) -> None:
        """SIGTERM, and wait until it has ended in order."""
        assert self._process is not None
        self.resume()
        self._process.terminate()
        self._process.wait(_STOP_S)
        self._process = None

    def pause(self) -> None:
        """SIGSTOP: it holds its connections, and the kernel accepts new ones, but nothing is answered."""
        for pid in family(self.pid):  # the parent first, so that no more are born
            os.kill(pid, signal.SIGSTOP)
            self._paused.append(pid)

    def resume(self) -> None:
        """SIGCONT, if it was paused."""
        for pid in self._paused:
            os.kill(pid, signal.SIGCONT)
        self._paused = []

    def kill(self) -> None:
        """SIGKILL: no goodbye, nothing written any more. Of a process that has ended, those that it left behind."""
        assert self._process is not None
        if self._process.poll() is None:
            self.pause()
        for pid in self._paused:
            os.kill(pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(_STOP_S)
        self._process = None
        for pid in self._paused:  # its children too: PostgreSQL does not start beside what is left of it
            _until_gone(pid)
        self._paused = []

    def restart(self, *, empty: bool = False) -> None:
        """Start it again on the same port; kill it first if it runs. `empty` takes away all it had stored."""
        if self._process is not None:
            self.kill()
        if empty:
            self.empty()
        self.start()

    def until(self, holds: Callable[[], bool], within_s: float = START_S) -> None:
        """Wait until something holds. Fails with the end of the log."""
        end = time.monotonic() + within_s
        while not holds():
            ended = self._process is not None and self._process.poll() is not None
            assert not ended, f"{self._name} has ended:\n{self.log[-2000:]}"
            assert time.monotonic() < end, f"{self._name}: not within {within_s} s\n{self.told()}"
            time.sleep(_ASK_EVERY_S)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, whatever state it is in, and remove its folder."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def family(pid: int) -> Iterator[int]:
    """A process and all that descend from it, parents first."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from family(int(child))


def _until_gone(pid: int) -> None:
    """Wait until a process that was killed holds nothing any more."""
    end = time.monotonic() + _STOP_S
    stat = Path(f"/proc/{pid}/stat")
    while time.monotonic() < end:
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(_ASK_EVERY_S)
