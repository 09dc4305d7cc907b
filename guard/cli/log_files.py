"""Logs from files and from standard input, plain or gzipped, line by line, with how far it has come on a terminal."""

import gzip
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import typer

from guard.cli.progress import progress
from guard.cli.screen import complain
from guard.cli.starting import EXIT_USAGE
from guard.wire.access_log import LogError, LogLine

_LINE_BYTES_MAX = 1 << 20
_COMPLAINTS_MAX = 5


def read_log(log: Path, read: Callable[[bytes], LogLine]) -> Iterator[LogLine | None]:
    """Each line, None for one that cannot be read; the first of these are told. A file that cannot be read ends the
    program with code 2.
    """
    unread = 0
    for number, content in enumerate(lines_of(log), start=1):
        if content.isspace():
            continue
        try:
            yield read(content)
        except LogError as fault:
            unread += 1
            if unread <= _COMPLAINTS_MAX:
                complain(f"{log}:{number}: {fault}")
            yield None


def lines_of(log: Path) -> Iterator[bytes]:
    """Each line as it stands there. A longer one than any log has comes in pieces, which nothing can read. A file that
    cannot be read ends the program with code 2.
    """
    with _opened(log) as file, progress("lines") as show:
        number = 0
        while line := file.readline(_LINE_BYTES_MAX):
            number += 1
            show(number)
            yield line


@contextmanager
def _opened(log: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    if log == Path("-"):
        yield sys.stdin.buffer
        return
    try:
        with log.open("rb") as file:
            if file.peek(2)[:2] != b"\x1f\x8b":
                yield file
                return
            with gzip.open(file) as unzipped:
                yield unzipped
    except (OSError, EOFError) as error:
        complain(f"{log} cannot be read: {error}")
        raise typer.Exit(EXIT_USAGE) from None
