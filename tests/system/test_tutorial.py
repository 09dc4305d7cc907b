"""docs/tutorial.md, run as it stands: its files are written, its commands typed, and what they print compared."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.ports import free_port

pytestmark = pytest.mark.system

_PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
_FENCE = re.compile(r"^```(yaml|console|sh)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_READS = ("guard policies list", "guard bans list", "guard promote", "guard backtest", "guard explain", "tail")
_PATIENCE_S = 20


def test_the_tutorial_runs_as_it_stands(tmp_path: Path) -> None:
    text = _PAGE.read_text()
    for port in ("8080", "8081"):
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
    ids: dict[str, str] = {}
    commands = 0
    with ExitStack() as running:
        for kind, name, block in _FENCE.findall(text):
            if kind == "yaml":
                _append(tmp_path / name, block)
            for command, expected in _typed(block) if kind == "console" else ():
                commands += 1
                if command.endswith(" &"):
                    running.enter_context(_beside(command.removesuffix(" &"), tmp_path))
                    continue
                printed = _until_as_expected(_filled(command, ids), expected, tmp_path)
                assert _matches(expected, printed), f"$ {command}\n{printed}\n--- the page says:\n{expected}"
                ids |= {found[:4]: found for found in re.findall(r"\b(?:req|ban)_[0-9a-f]+", printed)}
    assert commands > 15


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a … c\n", "a b c\n", True),
        ("a\n…\nd\n", "a\nb\nc\nd\n", True),
        ("a\n…\nd\n", "a\nd\n", True),
        ("a\n", "a\nb\n", False),
        ("a … c\n", "a b\nx c\n", False),
        ("a\n", "b\n", False),
        ("", "error\n", False),
    ],
)
def test_dots_stand_for_the_rest_of_a_line_or_for_lines_and_nothing_else_does(
    expected: str, printed: str, *, same: bool
) -> None:
    assert _matches(expected, printed) is same


def _append(file: Path, block: str) -> None:
    """A file, or what is added at its end."""
    file.parent.mkdir(exist_ok=True)
    with file.open("a") as writing:
        writing.write(block)


def _typed(block: str) -> Iterator[tuple[str, str]]:
    """Each command with what the page says that it prints."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def _filled(command: str, ids: dict[str, str]) -> str:
    """The command with the ids that were seen last."""
    return re.sub(r"\b(req|ban)_…", lambda found: ids[found[1] + "_"], command)


def _matches(expected: str, printed: str) -> bool:
    """Whether this is what the page says: `…` is any text of a line; alone on a line, any lines."""
    lines = (
        r"(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n"
        for line in expected.splitlines()
    )
    return re.fullmatch("".join(lines), printed) is not None


def _until_as_expected(command: str, expected: str, home: Path) -> str:
    """What it printed. What only reads is asked again until a reload or a line of the log has come."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        ran = subprocess.run(  # noqa: S602  # a command of our own page
            command,
            shell=True,
            cwd=home,
            env=_environment(home),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        printed = ran.stdout + ran.stderr
        if _matches(expected, printed) or not command.startswith(_READS) or time.monotonic() > deadline:
            return printed
        time.sleep(0.2)


@contextmanager
def _beside(command: str, home: Path) -> Iterator[None]:
    """A command that stays in the foreground of another terminal, once it has said what comes next."""
    process = subprocess.Popen(  # noqa: S602  # a command of our own page
        f"exec {command}", shell=True, cwd=home, env=_environment(home), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert any(line.startswith("Next,") for line in process.stdout), "it ended before it was ready"
        yield
    finally:
        process.terminate()
        process.communicate(timeout=_PATIENCE_S)


def _environment(home: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GUARD_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**clean, "PATH": path, "GUARD_HOME": str(home / "home"), "NO_COLOR": "1", "GUARD_ADMIN_LISTEN": "none"}
