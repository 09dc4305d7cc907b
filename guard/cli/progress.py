"""How far long work has come, on a terminal and nowhere else."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_EVERY_NS = 200_000_000


@contextmanager
def progress(what: str) -> Iterator[Callable[[int], None]]:
    """A counter of `what` on standard error, if that is a terminal; wiped at the end of the block."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    shown_at = time.monotonic_ns()

    def show(count: int) -> None:
        nonlocal shown_at
        now = time.monotonic_ns()
        if now - shown_at >= _EVERY_NS:
            shown_at = now
            sys.stderr.write(f"\r  {count:,} {what}")
            sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
