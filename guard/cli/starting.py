"""What `guard serve` and `guard dev` have in common: settings and policies or a clear refusal, and the event loop."""

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError

from guard.app.loop import run_loop
from guard.app.onward import Misplaced
from guard.app.worker import CannotServe
from guard.policy.diagnostic import render
from guard.policy.load import Invalid
from guard.service.policies import Rulebook, read_rulebook
from guard.settings import Settings, faults
from guard.state.faults import StateError
from guard.telemetry import logs

EXIT_USAGE = 2
EXIT_POLICY_INVALID = 3
EXIT_TESTS_FAILED = 4


def settings_or_exit(**flags: object) -> Settings:
    """The settings of the environment, overridden by the flags given. Nonsense ends the program with code 2."""
    given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as invalid:
        for fault in faults(invalid):
            typer.echo(f"error: {fault}", err=True)
        raise typer.Exit(EXIT_USAGE) from None


def rules_or_exit(directory: Path, signers: Path | None = None) -> Rulebook:
    """The rules of a policy directory. What is wrong with them is printed, and ends the program with code 3."""
    rules = read_rulebook(directory, signers)
    if isinstance(rules, Invalid):
        for diagnostic in rules.diagnostics:
            typer.echo(render(diagnostic), err=True)
        raise typer.Exit(EXIT_POLICY_INVALID)
    return rules


def run(main: Coroutine[Any, Any, None], log_level: str) -> None:
    """Run the event loop. A refusal to start ends with one clear line, not with a traceback."""
    logs.configure(log_level)
    try:
        run_loop(main)
    except (StateError, Misplaced, CannotServe) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"error: {error.strerror or error}: {_remedy(error)}", err=True)
        raise typer.Exit(1) from None


def _remedy(error: OSError) -> str:
    if error.filename is not None:
        return str(error.filename)
    return "choose another address with --listen HOST:PORT, or stop what uses this one"
