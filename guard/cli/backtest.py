"""`guard backtest`: what policies would have said to the requests of a log. The replaying is `service/backtest.py`."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from guard.cli.backtest_screen import Run, condition, run_json, run_text
from guard.cli.log_files import read_log
from guard.cli.screen import complain
from guard.cli.starting import EXIT_USAGE, rules_or_exit
from guard.model.policy import PolicySet
from guard.service.backtest import Backtest
from guard.service.comparison import Comparison
from guard.wire.access_log import LogForm, LogLine, line_reader

EXIT_TRIPPED = 4

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
    """What changes, and how many lines could not be read."""
    after, before, compared, unread = Backtest(new), None if old is None else Backtest(old), Comparison(), 0
    for line in read_log(log, read):
        if line is None:
            unread += 1
            continue
        said = line.outcome if before is None else before.judge(line).code
        compared.add(line, said, after.judge(line))
    return compared, unread
