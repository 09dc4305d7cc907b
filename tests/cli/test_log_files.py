"""Logs, line by line."""

import gzip
from pathlib import Path

import pytest
import typer

from guard.cli.log_files import read_log
from guard.wire.access_log import LogForm, line_reader

LINE = b'{"ts":"2026-11-18T11:06:40.123Z","decision":"allow","ip":"192.0.2.1"}\n'
READ = line_reader(LogForm.GUARD)


def test_every_line_comes_and_none_for_those_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "log"
    file.write_bytes(LINE + b"x\n" * 7 + LINE)
    lines = list(read_log(file, READ))
    assert [line is None for line in lines] == [False] + [True] * 7 + [False]
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 5
    assert told[0].startswith(f"guard: {file}:2: no line of a decision log")


def test_a_zipped_log_is_read_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "log.gz"
    file.write_bytes(gzip.compress(LINE * 3))
    assert len(list(read_log(file, READ))) == 3


def test_a_line_longer_than_any_log_has_is_not_taken_whole(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b'"' + b"x" * (3 << 20) + b'"\n' + LINE)
    assert [line is None for line in read_log(file, READ)] == [True, True, True, True, False]


@pytest.mark.parametrize("content", [None, gzip.compress(LINE * 1000)[:-20], b"\x1f\x8bnot gzip"])
def test_what_cannot_be_read_to_its_end_is_code_2(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "log"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(typer.Exit) as ended:
        list(read_log(file, READ))
    assert ended.value.exit_code == 2
