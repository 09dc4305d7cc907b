"""The program with one of its defences taken out, in a copy of the tree, for a run that must then not hold: a defence
that no run misses is a defence that no run has tried.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.faults.node import ROOT


class Defence(msgspec.Struct, frozen=True):
    """Words of a file that defend what a run asks, and what stands there without them."""

    run: str
    file: str
    words: str
    instead: str


@contextmanager
def without(defence: Defence) -> Iterator[Path]:
    """A tree that lacks it, for the time of the block."""
    with tempfile.TemporaryDirectory(prefix="guard-knocked-out-") as folder:
        tree = Path(folder)
        shutil.copytree(ROOT / "guard", tree / "guard", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "policies", tree / "policies")
        target = tree / defence.file
        target.write_text(knocked_out(target.read_text(), defence))
        yield tree


def knocked_out(source: str, defence: Defence) -> str:
    """The file without it. Raises ValueError unless its words stand there exactly once."""
    found = source.count(defence.words)
    if found != 1:
        raise ValueError(f"{defence.file} has {defence.words!r} {found} times")
    return source.replace(defence.words, defence.instead)
