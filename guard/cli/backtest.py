"""`guard backtest`: what policies would have said to the requests of a log. The replaying is `service/backtest.py`."""

import gzip
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from guard.cli.backtest_screen import Run, condition, run_json, run_text
from guard.cli.progress import progress
from guard.cli.screen import complain
from guard.cli.starting import rules_or_exit
from guard.model.policy import PolicySet
from guard.service.backtest import Backtest
from guard.service.comparison import Comparison
from guard.wire.access_log import LogError, LogForm, LogLine, line_reader

EXIT_USAGE = 2
EXIT_TRIPPED = 4
_LINE_BYTES_MAX = 1 << 20
_COMPLAINTS_MAX = 5

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(
    help="""\b
    guard backtest policies --log decisions.jsonl
    guard backtest new.yaml --log decisions.jsonl --against policies --fail-if 'newly_denied > 0.1%'
    guard backtest policies --log access.json.gz --log-format nginx --key-field http_guard_key

    Judge the requests of a log by these policies, and say what would change and for whom. Nothing is sent.
    Limits, addresses and routes are judged anew, by the log's own clock. What only a signature or a body can tell is
    taken from the log, and so are outcomes that came of circumstances; limits of requests at once are not replayed.

    Exit code: 0 done, 2 usage or a log that cannot be read, 3 policies invalid, 4 --fail-if holds.
    """
)
def backtest(
    path: Annotated[Path, typer.Argument(help="A policy directory, or one policy file.")] = Path("policies"),
    *,
    log: Annotated[Path, typer.Option(help="JSON lines, also gzipped; - is standard input.", show_default=False)],
    log_format: Annotated[LogForm, typer.Option(help="Who wrote it.")] = LogForm.GUARD,
    key_field: Annotated[str | None, typer.Option(help="The field of an nginx or Envoy log with the key's id.")] = None,
    against: Annotated[Path | None, typer.Option(help="Compare with these policies, not with what was said.")] = None,
    fail_if: Annotated[str | None, typer.Option(help="Such as 'newly_denied > 0.1%' or 'newly_allowed > 0'.")] = None,
    top: Annotated[int, typer.Option(min=0, help="How many of the most affected keys are shown.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """See `help` above."""
    trips = _condition(fail_if)
    new = rules_or_exit(path).policies
    old = None if against is None else rules_or_exit(against).policies
    began_s = time.monotonic()
    compared, unread = _replay(log, line_reader(log_format, key_field), new, old)
    if not compared.lines:
        complain(f"{log}: no line could be read as a {log_format} log" if unread else f"{log}: no lines")
        raise typer.Exit(EXIT_USAGE)
    run = Run(compared, unread, time.monotonic() - began_s, "log" if old is None else "old", top)
    typer.echo(run_json(run) if as_json else run_text(run))
    if trips is not None and trips(compared):
        complain(f"--fail-if: {fail_if}")
        raise typer.Exit(EXIT_TRIPPED)


def _condition(text: str | None) -> Callable[[Comparison], bool] | None:
    try:
        return None if text is None else condition(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--fail-if") from None


def _replay(
    log: Path, read: Callable[[bytes], LogLine], new: PolicySet, old: PolicySet | None
) -> tuple[Comparison, int]:
    """What changes, and how many lines could not be read; the first of them are told."""
    after, before, compared, unread = Backtest(new), None if old is None else Backtest(old), Comparison(), 0
    with _opened(log) as file, progress("lines") as show:
        for number, content in enumerate(_lines(file), start=1):
            try:
                line = read(content)
            except LogError as fault:
                unread += 1
                if unread <= _COMPLAINTS_MAX:
                    complain(f"{log}:{number}: {fault}")
                continue
            said = line.outcome if before is None else before.judge(line).code
            compared.add(line, said, after.judge(line))
            show(number)
    return compared, unread


@contextmanager
def _opened(log: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    if log == Path("-"):
        yield sys.stdin.buffer
        return
    try:
        with log.open("rb") as file:
            zipped = file.peek(2)[:2] == b"\x1f\x8b"
            if not zipped:
                yield file
                return
            with gzip.open(file) as unzipped:
                yield unzipped
    except (OSError, EOFError) as error:
        complain(f"{log} cannot be read: {error}")
        raise typer.Exit(EXIT_USAGE) from None


def _lines(file: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    """Each line that is not empty. A longer one than any log has comes in pieces, which nothing can read."""
    while line := file.readline(_LINE_BYTES_MAX):
        if line.strip():
            yield line
