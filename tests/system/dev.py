"""`guard dev` as a child process on free ports and a fresh home, as a new user would start it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ports import free_port

_PATIENCE_S = 30


@dataclass
class Dev:
    """A running gateway with its demo exchange. `screen` is what it printed."""

    gateway: str
    home: Path
    screen: str
    process: "subprocess.Popen[str]"

    @property
    def key(self) -> dict[str, Any]:
        key: dict[str, Any] = json.loads((self.home / "dev.json").read_text())["key"]
        return key

    def guard(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """One `guard` command beside it."""
        return command(self.home, *arguments)


def command(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """One `guard` command on this home."""
    return subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-m", "guard", *arguments],
        env=_environment(home),
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )


@contextmanager
def dev(home: Path) -> Iterator[Dev]:
    """Started, ready, and stopped again."""
    gateway, exchange = free_port(), free_port()
    process = subprocess.Popen(  # noqa: S603  # our own program
        [
            *(sys.executable, "-m", "guard", "dev"),
            *("--listen", f"127.0.0.1:{gateway}", "--exchange-listen", f"127.0.0.1:{exchange}"),
        ],
        env=_environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Dev(f"http://127.0.0.1:{gateway}", home, _screen(process), process)
    finally:
        process.terminate()
        process.communicate(timeout=_PATIENCE_S)


def _screen(process: "subprocess.Popen[str]") -> str:
    """What is printed up to the next command to type, or the end of the program."""
    assert process.stdout is not None
    lines: list[str] = []
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        lines.append(line)
        if not line or "guard curl POST" in line:
            break
    return "".join(lines)


def _environment(home: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GUARD_")}
    return {**clean, "GUARD_HOME": str(home), "NO_COLOR": "1", "GUARD_ADMIN_LISTEN": "none"}
