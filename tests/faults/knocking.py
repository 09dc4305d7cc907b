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
    ".py": (re.compile(r"^(?P<head>\s*(el)?if ).+?(?P<tail>:(\s*#.*)?)$"), "False", "True"),
    ".lua": (re.compile(r"^(?P<head>\s*(else)?if ).+?(?P<tail> then\b.*)$"), "false", "true"),
}


@contextmanager
def knocked_out(file: str, clue: str, *, always: bool = False) -> Iterator[Path]:
    """A tree in whose copy of a file one condition is none, for the time of the block. See `without`."""
    with tempfile.TemporaryDirectory(prefix="guard-knocked-out-") as folder:
        tree = Path(folder)
        shutil.copytree(ROOT / "guard", tree / "guard", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "policies", tree / "policies")
        target = tree / file
        target.write_text(without(target.read_text(), target.suffix, clue, always=always))
        yield tree


def without(source: str, suffix: str, clue: str, *, always: bool = False) -> str:
    """A source in which a condition never holds, or `always`: that of the line with the clue, its mark or its words.

    Raises ValueError if there is not exactly one such line.
    """
    pattern, never, ever = _CONDITIONS[suffix]
    lines = source.splitlines(keepends=True)
    found = [
        (number, marked)
        for number, line in enumerate(lines)
        if clue in line and (marked := pattern.match(line.rstrip()))
    ]
    if len(found) != 1:
        raise ValueError(f"{len(found)} conditions have the words {clue!r}")
    ((number, marked),) = found
    lines[number] = f"{marked['head']}{ever if always else never}{marked['tail']}\n"
    return "".join(lines)
