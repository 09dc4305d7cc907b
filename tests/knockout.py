"""Takes out, one at a time, each check of the pipeline, each condition of the stores and each row of the reasons table,
in a copy of the tree, and runs the tests that guard it. Each must turn a test red: a knockout that stays green is a
promise that nobody keeps. Run by `make knockout`; `tests/knockout.py WORD` runs those whose name contains WORD.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
_MARK = re.compile(
    r"^(?P<indent>\s*)(?P<word>(?:el)?if) (?P<condition>.+):(?P<tail>\s*# knockout: (?P<name>[\w.-]+).*)$"
)
_ROW = re.compile(r'^    _row\(\s*"(?P<code>[a-z_.*]+)".*\),$')
_CHECK = re.compile(r"^    (?P<name>[a-z_]+),$")
_PARALLEL = 2
_TIMEOUT_S = 300
_WITH_SERVERS = ("tests/state/redis",)


class Knockout(NamedTuple):
    """One line of one file, what it becomes, and the tests that must notice."""

    name: str
    file: str
    line: int
    becomes: str
    tests: tuple[str, ...]


def knockouts() -> Iterator[Knockout]:
    """Every knockout there is, in the order of the files."""
    yield from _checks()
    yield from _conditions()
    yield from _rows()


def _checks() -> Iterator[Knockout]:
    file = "guard/core/pipeline.py"
    inside = False
    for number, line in enumerate(_lines(file)):
        inside = (inside or bool(re.match(r"^[A-Z]+ = \(", line))) and not line.startswith(")")
        one_line = re.match(r"^(?P<table>[A-Z]+) = \((?P<name>\w+),\)$", line)
        check = _CHECK.match(line)
        tests = ("tests/core", "tests/service")
        if one_line:
            yield Knockout(f"check.{one_line['name']}", file, number, f"{one_line['table']} = ()", tests)
        elif inside and check:
            yield Knockout(f"check.{check['name']}", file, number, "", tests)


def _conditions() -> Iterator[Knockout]:
    for path in sorted((ROOT / "guard").rglob("*.py")):
        file = str(path.relative_to(ROOT))
        for number, line in enumerate(_lines(file)):
            marked = _MARK.match(line)
            if marked:
                becomes = f"{marked['indent']}{marked['word']} False:{marked['tail']}"
                yield Knockout(f"{path.stem}.{marked['name']}", file, number, becomes, _tests_of(path))


def dead_marks() -> list[str]:
    """Marks that stand on no `if`, so that nothing would be knocked out: they would prove nothing in silence."""
    return [
        f"{path.relative_to(ROOT)}:{number + 1}"
        for path in sorted((ROOT / "guard").rglob("*.py"))
        for number, line in enumerate(_lines(str(path.relative_to(ROOT))))
        if "# knockout:" in line and not _MARK.match(line)
    ]


def _rows() -> Iterator[Knockout]:
    file = "guard/model/reasons.py"
    for number, line in enumerate(_lines(file)):
        row = _ROW.match(line)
        if row:
            yield Knockout(f"reason.{row['code']}", file, number, "", ("tests/model",))


def _tests_of(path: Path) -> tuple[str, ...]:
    room, *inside = path.relative_to(ROOT / "guard").parts
    if "redis" in inside:
        return _WITH_SERVERS
    return (f"tests/{room}", "tests/contract") if room == "state" else (f"tests/{room}",)


def _lines(file: str) -> list[str]:
    return (ROOT / file).read_text().splitlines()


def notices(knockout: Knockout, tree: Path) -> bool:
    """Whether a test fails in a tree in which one line was knocked out. The tree is put right again."""
    target = tree / knockout.file
    original = target.read_text()
    lines = original.splitlines()
    lines[knockout.line] = knockout.becomes
    target.write_text("\n".join(lines) + "\n")
    try:
        return _fails(knockout.tests, tree)
    finally:
        target.write_text(original)


def _fails(tests: tuple[str, ...], tree: Path) -> bool:
    """Whether a test fails, or what it needs, or hangs. A tree in which they cannot even be collected is no verdict."""
    pytest = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    if tests != _WITH_SERVERS:
        pytest += ["-m", "not system"]
    try:
        run = subprocess.run(  # noqa: S603  # our own tests
            (*pytest, *tests), cwd=tree, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    if run.returncode not in (0, 1):
        raise RuntimeError(f"{tests} could not be run:\n{run.stdout}")
    return run.returncode == 1


def _worker(share: list[Knockout]) -> list[Knockout]:
    """Run a share of the knockouts in a copy of the tree of its own; the ones that nobody noticed."""
    survivors = []
    with tempfile.TemporaryDirectory(prefix="guard-knockout-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".venv", ".git", "*_cache", ".hypothesis", ".run"))
        for tests in {knockout.tests for knockout in share}:
            if _fails(tests, tree):
                raise RuntimeError(f"{tests} is red before anything is knocked out")
        for knockout in share:
            noticed = notices(knockout, tree)
            sys.stdout.write(f"{'red     ' if noticed else 'SURVIVED'}  {knockout.name}  ({knockout.file})\n")
            sys.stdout.flush()
            if not noticed:
                survivors.append(knockout)
    return survivors


def main() -> int:
    """Run the knockouts whose name contains the word given, or all; 1 if one of them was not noticed."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [knockout for knockout in knockouts() if word in knockout.name]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        shares = [chosen[start::_PARALLEL] for start in range(_PARALLEL)]
        survivors = [knockout for found in pool.map(_worker, shares) for knockout in found]
    sys.stdout.write(f"{len(chosen) - len(survivors)} of {len(chosen)} knockouts turned a test red\n")
    return 1 if survivors or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
