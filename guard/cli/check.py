"""`guard check`: are these policies valid? The same loader as the gateway's, with nothing started."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from guard.cli.starting import EXIT_POLICY_INVALID
from guard.policy.diagnostic import concise, render, to_json
from guard.policy.load import Invalid, load_policies
from guard.service.policies import tested

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


class Form(StrEnum):
    """How diagnostics are printed."""

    TEXT = "text"
    CONCISE = "concise"
    JSON = "json"


@app.command(
    help="""\b
    guard check
    guard check /etc/guard/policies --format concise
    guard check policies/exchange.yaml --format json

    Read policies as the gateway would, run their tests, and say for each fault where it is and what to do.

    Exit code: 0 valid, 2 usage, 3 invalid.
    """
)
def check(
    path: Annotated[Path, typer.Argument(help="A policy directory, or one policy file.")] = Path("policies"),
    form: Annotated[Form, typer.Option("--format", help="How to print what was found.")] = Form.TEXT,
) -> None:
    """See `help` above."""
    loaded = load_policies(path)
    rules = loaded if isinstance(loaded, Invalid) else tested(loaded)
    diagnostics = rules.diagnostics if isinstance(rules, Invalid) else rules.warnings
    if form is Form.JSON:
        typer.echo(to_json(diagnostics))
    else:
        for diagnostic in diagnostics:
            typer.echo(render(diagnostic) if form is Form.TEXT else concise(diagnostic))
    if not isinstance(loaded, Invalid) and not isinstance(rules, Invalid) and form is not Form.JSON:
        services = ", ".join(f"{service.name}@{service.digest}" for service in loaded.policies.services)
        count = len(loaded.contents)
        typer.echo(f"{count} files ok, {_tests(len(loaded.cases))}{len(diagnostics)} warnings: {services}")
    if isinstance(rules, Invalid):
        raise typer.Exit(EXIT_POLICY_INVALID)


def _tests(count: int) -> str:
    return f"{count} tests pass, " if count else ""
