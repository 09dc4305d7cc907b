import sys

import pytest

from guard.cli.screen import complain, one_line, paint, printable, say


@pytest.mark.parametrize(
    ("terminal", "no_color", "coloured"), [(True, "", True), (True, "1", False), (False, "", False)]
)
def test_colour_only_on_a_terminal_that_wants_it(
    monkeypatch: pytest.MonkeyPatch, *, terminal: bool, no_color: str, coloured: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert (paint("x", "red") == "\x1b[31mx\x1b[0m") is coloured
    assert "x" in paint("x", "red")


def test_screens_are_indented_and_complaints_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    say("a", "", "b")
    complain("no\x07")
    assert capsys.readouterr() == ("  a\n\n  b\n", "guard: no\\x07\n")


def test_what_steers_a_terminal_is_escaped() -> None:
    assert printable(b"a\n\tb\x1b[0m\r\xff" + "é␊".encode()) == "a\n\tb\\x1b[0m\\x0d\\xffé␊"


def test_text_of_somebody_else_stays_in_its_line() -> None:
    assert one_line("a\n\tb\x1b[0m\r\u2028é") == "a\\n\\tb\\x1b[0m\\r\\u2028é"
