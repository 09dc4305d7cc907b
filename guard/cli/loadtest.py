"""`guard loadtest`: a crowd of traders before a gateway, and a verdict.

The scenarios are in `loadtests/` of a checkout; Locust, which runs them, comes with the extra `loadtest`. Neither is
part of the gateway.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from guard.cli.screen import complain, paint, say

EXIT_HELD = 0
EXIT_ERRORS = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
_PROCESSES_MAX, _USERS_MAX = 32, 2000

app = typer.Typer(
    help="Scenarios of load, against a gateway of their own or one of yours.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
)


@app.command(name="list")
def list_() -> None:
    """The scenarios, and what each of them shows."""
    scenarios = _crowd("catalogue").SCENARIOS
    width = max(len(scenario.name) for scenario in scenarios)
    say(*(f"{scenario.name:<{width}}  {scenario.shows}" for scenario in scenarios))


@app.command(
    help="""\b
    guard loadtest run steady
    guard loadtest run replay_storm --duration 20s --processes 2
    guard loadtest run key_flood --slo my-slo.yaml --out out

    Start a gateway, send the load of a scenario, and say whether its SLOs held.

    Ends with 0 if they did, 3 if one was breached, 1 if the run itself went wrong. The reports are in OUT/SCENARIO.
    """
)
def run(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="One of `guard loadtest list`.")],
    *,
    duration: Annotated[str | None, typer.Option(help="Such as 20s or 5m; by default the scenario's own.")] = None,
    users: Annotated[int | None, typer.Option(min=1, max=_USERS_MAX, help="By default the scenario's own.")] = None,
    processes: Annotated[int, typer.Option(min=1, max=_PROCESSES_MAX, help="How many Locust workers.")] = 1,
    host: Annotated[str | None, typer.Option(help="The origin of a gateway that runs already.")] = None,
    keys: Annotated[Path | None, typer.Option(help="Keys that HOST knows, one JSON object a line.")] = None,
    slo: Annotated[Path | None, typer.Option(help="SLOs instead of those of loadtests/slo.yaml.")] = None,
    out: Annotated[Path, typer.Option(help="Where the reports go.")] = Path("out"),
    own: Annotated[bool, typer.Option("--i-own-this-host", help="HOST is another machine, and yours.")] = False,
) -> None:
    """See `help` above."""
    crowd = _crowd("run")
    _demand_locust()
    try:
        wanted = _crowd("wanted").asked(
            scenario,
            duration=duration,
            users=users,
            processes=processes,
            host=host,
            owned=own,
            keys_file=keys,
            slo_file=slo,
            out=out,
        )
        verdict = crowd.run(wanted)
    except _crowd("refusal").Refusal as refusal:
        complain(str(refusal))
        raise typer.Exit(EXIT_USAGE) from None
    except RuntimeError as error:
        complain(f"{error}: see {out / scenario}")
        raise typer.Exit(EXIT_ERRORS) from None
    except KeyboardInterrupt:
        complain("stopped; no verdict")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    _show(verdict, out / scenario)
    raise typer.Exit(verdict.exit_code)


def _crowd(module: str) -> Any:
    """A module of `loadtests/crowd`. Ends the program where there is no checkout."""
    for root in (Path(__file__).parents[2], Path.cwd()):
        if (root / "loadtests" / "crowd").is_dir():
            if str(root) not in sys.path:
                sys.path.insert(0, str(root))
            return importlib.import_module(f"loadtests.crowd.{module}")
    complain("there is no loadtests/ here: run this in a checkout of guard")
    raise typer.Exit(EXIT_USAGE)


def _demand_locust() -> None:
    if importlib.util.find_spec("locust") is None:
        complain(
            "Locust is not installed: pip install 'guard-gateway[loadtest]', or make .venv/.installed in a checkout"
        )
        raise typer.Exit(EXIT_USAGE)


def _show(verdict: Any, directory: Path) -> None:
    """What did not hold, and where to read the rest."""
    for error in verdict.errors:
        say(paint(f"error: {error}", "red"))
    for finding in verdict.findings:
        if not finding.held:
            say(paint(f"breached: {finding.what} {finding.wanted}, found {finding.found}", "red"))
    if verdict.exit_code == EXIT_HELD:
        say(paint(f"all {len(verdict.findings)} SLOs held", "green"))
    say(f"next: {directory / 'verdict.md'}, {directory / 'report.html'}")
