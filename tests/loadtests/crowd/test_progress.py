"""How far a run has come."""

import io
from pathlib import Path

import pytest

from loadtests.crowd.progress import Progress

CSV = "Type,Name,Request Count,Failure Count\nGET,read,7,0\n,Aggregated,12,1\n"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def statistics(tmp_path: Path) -> Path:
    (tmp_path / "stats.csv").write_text(CSV)
    return tmp_path / "stats.csv"


def test_a_terminal_shows_every_second_in_one_line_and_nothing_afterwards(statistics: Path) -> None:
    screen = _Terminal()
    progress = Progress("steady", 60, statistics, screen)
    for elapsed_s in (0, 1, 1, 2, 61):
        progress.show(elapsed_s)
    progress.end()
    assert screen.getvalue().split("\r\x1b[K") == [
        "",
        "steady: 1 of 60 s, 12 requests, 1 not as expected",
        "steady: 2 of 60 s, 12 requests, 1 not as expected",
        "steady: 60 of 60 s, 12 requests, 1 not as expected",
        "",
    ]


def test_a_file_gets_a_line_every_ten_seconds(statistics: Path) -> None:
    screen = io.StringIO()
    progress = Progress("steady", 60, statistics, screen)
    for elapsed_s in range(25):
        progress.show(elapsed_s)
    progress.end()
    assert [line[:18] for line in screen.getvalue().splitlines()] == ["steady: 10 of 60 s", "steady: 20 of 60 s"]


@pytest.mark.parametrize("content", [None, "", "Type,Name,Request Count,Failure Count\nGET,read,7,0\n"])
def test_statistics_that_are_not_there_yet_are_left_out(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "stats.csv").write_text(content)
    screen = _Terminal()
    Progress("steady", 60, tmp_path / "stats.csv", screen).show(3)
    assert screen.getvalue() == "\r\x1b[Ksteady: 3 of 60 s"
