"""How far a run has come: a line that is written over on a terminal, and elsewhere one every ten seconds."""

import csv
import io
import sys
from pathlib import Path
from typing import TextIO

_SELDOM_S = 10


class Progress:
    """Of a run of so many seconds, from the statistics that Locust writes each second."""

    def __init__(self, scenario: str, duration_s: int, statistics: Path, screen: TextIO = sys.stderr) -> None:
        self._head = f"{scenario}: "
        self._duration_s = duration_s
        self._statistics = statistics
        self._screen = screen
        self._shown_s = 0

    def show(self, elapsed_s: int) -> None:
        """Called as often as one likes."""
        if elapsed_s < self._shown_s + (1 if self._screen.isatty() else _SELDOM_S):
            return
        self._shown_s = elapsed_s
        line = f"{self._head}{min(elapsed_s, self._duration_s)} of {self._duration_s} s{_counted(self._statistics)}"
        self._screen.write(f"\r\x1b[K{line}" if self._screen.isatty() else f"{line}\n")
        self._screen.flush()

    def end(self) -> None:
        """Nothing of it is left on a terminal."""
        if self._screen.isatty():
            self._screen.write("\r\x1b[K")
            self._screen.flush()


def _counted(statistics: Path) -> str:
    try:
        rows = list(csv.DictReader(io.StringIO(statistics.read_text())))
    except OSError:
        return ""
    if not rows or rows[-1].get("Name") != "Aggregated":
        return ""
    return f", {rows[-1]['Request Count']} requests, {rows[-1]['Failure Count']} not as expected"
