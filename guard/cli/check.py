"""`guard check`: are these policies valid? The same loader as the gateway's, with nothing started."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from guard import __version__
from guard.app.keys import open_keyring
from guard.cli.starting import EXIT_POLICY_INVALID, EXIT_TESTS_FAILED, settings_or_exit
from guard.cli.vault import answer_of
from guard.model.keys import KeyState
from guard.policy.diagnostic import Diagnostic, Severity, concise, in_order, render, to_json
from guard.policy.lints.workers import divided_memory
from guard.policy.load import Invalid, Loaded, load_policies
from guard.policy.reports import to_github, to_junit, to_sarif
from guard.policy.resolved import all_resolved
from guard.policy.signed import named
from guard.service.coverage import coverage_faults
from guard.service.policies import accepted, untested
from guard.service.policy_tests import rehearse

_USABLE = (KeyState.PRE_ACTIVATION, KeyState.ACTIVE, KeyState.SUSPENDED)
_OF_TESTS = {"P601", "P603"}
"""Faults of a test that was run, and not of what it tests."""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


class Form(StrEnum):
    """How diagnostics are printed."""

    TEXT = "text"
    CONCISE = "concise"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"
    JUNIT = "junit"


@app.command(
    help="""\b
    guard check
    guard check /etc/guard/policies --format concise --fail-level warning
    guard check policies/exchange.yaml --keys --coverage --workers 4

    Read policies as the gateway would (GUARD_POLICY_SIGNERS_FILE: with their signature), run their tests, and say for
    each fault where it is and what to do.
    `guard explain-code CODE` says more.

    Exit code: 0 valid, 1 internal error, 2 usage, 3 invalid, 4 nothing but tests fail.
    """
)
def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]…", help="Policy directories, or policy files, each by itself."),
    ] = None,
    *,
    form: Annotated[Form, typer.Option("--format", help="How to print what was found.")] = Form.TEXT,
    fail_level: Annotated[Severity, typer.Option(help="What ends with code 3 or 4.")] = Severity.ERROR,
    keys: Annotated[bool, typer.Option("--keys", help="Look for scopes that no key has, in the key database.")] = False,
    print_: Annotated[
        bool,
        typer.Option("--print", help="Print the policies with all defaults, and what was found to standard error."),
    ] = False,
    coverage: Annotated[bool, typer.Option("--coverage", help="Look for routes and signals without a test.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="With how many workers guard will be run.")] = 1,
) -> None:
    """See `help` above."""
    paths = paths or [Path("policies")]
    granted = _granted() if keys else None
    results = [_judged(path, granted) for path in paths]
    found = [one for result in results for one in _diagnostics(result)]
    found += [one for path in paths if (one := _divided(path, workers)) is not None]
    if coverage:
        found += [one for result in results if isinstance(result, Loaded) for one in _uncovered(result)]
    diagnostics = in_order(found)
    loaded = [result for result in results if isinstance(result, Loaded)]
    report = _report(form, diagnostics, loaded)
    if report:
        typer.echo(report, err=print_)
    if print_:
        typer.echo("\n\n".join(all_resolved(one) for one in loaded))
    failing = [one for one in diagnostics if fail_level is Severity.WARNING or one.severity is Severity.ERROR]
    if failing:
        tests_alone = {one.code for one in failing} <= _OF_TESTS
        raise typer.Exit(EXIT_TESTS_FAILED if tests_alone else EXIT_POLICY_INVALID)


def _judged(path: Path, granted: frozenset[str] | None) -> Loaded | Invalid:
    loaded = load_policies(path, granted=granted)
    rules = accepted(loaded, settings_or_exit().policy_signers_file)
    return rules if isinstance(rules, Invalid) else loaded


def _uncovered(loaded: Loaded) -> Iterator[Diagnostic]:
    rules = untested(loaded)
    return coverage_faults(loaded, [rehearse(rules, case) for case in loaded.cases])


def _diagnostics(result: Loaded | Invalid) -> tuple[Diagnostic, ...]:
    return result.diagnostics if isinstance(result, Invalid) else result.warnings


def _divided(path: Path, workers: int) -> Diagnostic | None:
    if workers == 1:
        return None
    return divided_memory(str(path), workers, shares_state=settings_or_exit().shares_state)


def _granted() -> frozenset[str]:
    """The scopes of all keys that can be used now or again."""
    views = answer_of(open_keyring, lambda keyring: keyring.keys(None))
    return frozenset(scope for view in views if view.state in _USABLE for scope in view.scopes)


def _report(form: Form, diagnostics: Sequence[Diagnostic], loaded: Sequence[Loaded]) -> str:
    match form:
        case Form.JSON:
            return to_json(diagnostics)
        case Form.SARIF:
            return to_sarif(diagnostics, __version__)
        case Form.JUNIT:
            return to_junit(diagnostics, [file for one in loaded for file in one.contents])
        case Form.GITHUB:
            return to_github(diagnostics)
        case Form.TEXT | Form.CONCISE:
            lines = [render(one) if form is Form.TEXT else concise(one) for one in diagnostics]
            return "\n".join([*lines, *map(_summary, loaded)])


def _summary(loaded: Loaded) -> str:
    services = ", ".join(f"{service.name}@{service.digest}" for service in loaded.policies.services)
    tests = f"{len(loaded.cases)} tests pass, " if loaded.cases else ""
    return f"{len(named(loaded.contents))} files ok, {tests}{len(loaded.warnings)} warnings: {services}"
