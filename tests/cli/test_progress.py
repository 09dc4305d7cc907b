import io
import sys

import pytest

from guard.cli.progress import progress


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_how_far_it_is_now_and_then_and_nothing_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    times = iter([0, 100_000_000, 250_000_000, 300_000_000])
    monkeypatch.setattr("time.monotonic_ns", lambda: next(times))
    with progress("records") as show:
        for count in (1, 12_000, 13_000):
            show(count)
        assert screen.getvalue() == "\r  12,000 records"
    assert screen.getvalue().endswith("\r\x1b[K")


def test_nobody_else_sees_anything(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("records") as show:
        show(1)
    assert capsys.readouterr() == ("", "")
