"""A command of the program from its start to its end, and what it cost."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

_MEASURE = """
import atexit, json, pathlib, resource, runpy, sys
def measure(into=pathlib.Path(sys.argv.pop(1))):
    used = resource.getrusage(resource.RUSAGE_SELF)
    status = pathlib.Path("/proc/self/status").read_text()  # not ru_maxrss, which counts whoever started this too
    [held] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    into.write_text(json.dumps({"cpu_s": used.ru_utime + used.ru_stime, "held_bytes_max": int(held) * 1024}))
atexit.register(measure)
runpy.run_module("guard", run_name="__main__", alter_sys=True)
"""
_PATIENCE_S = 60


class Spent(msgspec.Struct, frozen=True):
    """Processor time, and the most memory that was held."""

    cpu_s: float
    held_bytes_max: int


def measured(*words: str, home: Path) -> tuple[int, str, Spent]:
    """The exit code of `guard WORDS`, all that it said, and what it cost."""
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder) / "spent.json"
        done = subprocess.run(  # noqa: S603  # our own program
            [sys.executable, "-c", _MEASURE, str(into), *words],
            env={**os.environ, "GUARD_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE_S,
            check=False,
        )
        return done.returncode, done.stdout.decode(), msgspec.json.decode(into.read_bytes(), type=Spent)
