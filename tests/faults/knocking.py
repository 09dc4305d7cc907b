"""The program with one of its conditions taken out: a copy of the tree, as tests/knockout.py makes them, for a run that
must then not hold. A defence that no run misses is a defence that no run has tried.
"""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.node import ROOT

_CONDITIONS = {
    ".py": (re.compile(r"^(\s*)(el)?if .+:(\s*# knockout: (\S+).*)$"), "{indent}{el}if False:{mark}"),
    ".lua": (re.compile(r"^(\s*)(else)?if .+ then(\s*-- knockout: (\S+).*)$"), "{indent}{el}if false then{mark}"),
}


@contextmanager
def knocked_out(file: str, name: str) -> Iterator[Path]:
    """A tree in whose copy of a file the condition that carries this mark never holds, for the time of the block."""
    with tempfile.TemporaryDirectory(prefix="guard-knocked-out-") as folder:
        tree = Path(folder)
        shutil.copytree(ROOT / "guard", tree / "guard", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "policies", tree / "policies")
        target = tree / file
        target.write_text(without(target.read_text(), target.suffix, name))
        yield tree


def without(source: str, suffix: str, name: str) -> str:
    """A source whose condition of this mark is false. Raises ValueError if there is not exactly one."""
    pattern, becomes = _CONDITIONS[suffix]
    lines, found = source.splitlines(keepends=True), 0
    for number, line in enumerate(lines):
        marked = pattern.match(line.rstrip("\n"))
        if marked and marked[4] == name:
            found += 1
            lines[number] = becomes.format(indent=marked[1], el=marked[2] or "", mark=marked[3]) + "\n"
    if found != 1:
        raise ValueError(f"{found} conditions carry the mark {name}")
    return "".join(lines)
