"""`guard test`: do the policies do what their own tests say? With a clock, keys and a store that are made up."""

import asyncio
import html
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from guard.app.watching import watch
from guard.cli.explained import shown
from guard.cli.starting import EXIT_POLICY_INVALID, EXIT_TESTS_FAILED, EXIT_USAGE
from guard.policy.cases import Case
from guard.policy.diagnostic import render, visible
from guard.policy.load import Invalid, load_policies
from guard.service.explain import explain
from guard.service.policies import untested
from guard.service.policy_tests import Verdict, rehearse
from guard.service.rulebook import Rulebook

_LOOK_EVERY_S: Final = 0.25

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


class Ran(msgspec.Struct, frozen=True):
    """One test that was run, and how long it took."""

    verdict: Verdict
    us: int

    @property
    def word(self) -> str:
        """PASS, FAIL; or what became of a test that may fail."""
        failed = self.verdict.failure is not None
        if self.verdict.case.todo:
            return "TODO" if failed else "TODO, and passes: take `todo` away"
        return "FAIL" if failed else "PASS"

    @property
    def failed(self) -> bool:
        """Whether the policy may not be used because of it."""
        return self.verdict.failure is not None and not self.verdict.case.todo


@app.command(
    "test",
    help="""\b
    guard test
    guard test policies/exchange.yaml -v
    guard test --filter 'service=exchange;test=*replay*' --junit tests.xml
    guard test --watch --explain-failures

    Run the tests of policies: those under `tests`, and those of *.test.yaml files beside them.

    A gateway runs them too, and does not take policies whose tests fail.

    Exit code: 0 all pass, 2 usage, 3 a policy is invalid, 4 a test fails.
    """,
)
def run_tests(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="[PATH]...", help="Directories, or files.")] = None,
    *,
    only: Annotated[str, typer.Option("--filter", help="service=GLOB;test=GLOB, or one of them.")] = "",
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="One line for each test.")] = False,
    explain_failures: Annotated[bool, typer.Option(help="Explain the request at which a test failed.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write the results there, as JUnit XML.")] = None,
    again: Annotated[bool, typer.Option("--watch", help="Run them again when the files change, until Ctrl-C.")] = False,
) -> None:
    """See `help` above."""
    wanted, chosen = _filter(only), paths or [Path("policies")]

    def run() -> int:
        """The exit code."""
        ran = [one for path in chosen for one in _run(path, wanted)]
        if not ran:
            typer.echo("no tests" + (" that the filter lets through" if only else ""), err=True)
            return EXIT_USAGE if only else 0
        for one in ran:
            _show(one, verbose=verbose, explained=explain_failures)
        if junit is not None:
            junit.write_text(_junit(ran), encoding="utf-8")
        failed = sum(one.failed for one in ran)
        passed = sum(one.verdict.failure is None for one in ran)
        typer.echo(f"{'FAIL' if failed else 'PASS'}: {passed}/{len(ran)}")
        return EXIT_TESTS_FAILED if failed else 0

    raise typer.Exit(_again_and_again(chosen, run) if again else run())


def _again_and_again(paths: Sequence[Path], run: Callable[[], int]) -> int:
    """Run after each change of one of these, and at first. The last exit code, once Ctrl-C ends it."""
    last = 0

    async def changed() -> None:
        nonlocal last
        typer.echo(f"--- {time.strftime('%H:%M:%S')}")
        try:
            last = run()
        except typer.Exit as ended:  # an invalid policy, which is to be mended
            last = ended.exit_code

    async def watched() -> None:
        await asyncio.gather(*(watch(path, _LOOK_EVERY_S, changed, read=None) for path in paths))

    with suppress(KeyboardInterrupt):
        asyncio.run(watched())
    return last


def _filter(text: str) -> dict[str, str]:
    """The globs by what they are about."""
    wanted = {"service": "*", "test": "*"}
    for part in filter(None, text.split(";")):
        what, equals, glob = part.partition("=")
        if what.strip() not in wanted or not equals:
            raise typer.BadParameter("write service=GLOB;test=GLOB, or one of them", param_hint="--filter")
        wanted[what.strip()] = glob.strip()
    return wanted


def _run(path: Path, wanted: dict[str, str]) -> list[Ran]:
    loaded = load_policies(path)
    if isinstance(loaded, Invalid):
        for diagnostic in loaded.diagnostics:
            typer.echo(render(diagnostic), err=True)
        raise typer.Exit(EXIT_POLICY_INVALID)
    rules = untested(loaded)
    return [_timed(rules, case) for case in loaded.cases if _is_wanted(case, wanted)]


def _is_wanted(case: Case, wanted: dict[str, str]) -> bool:
    return fnmatchcase(case.service, wanted["service"]) and fnmatchcase(case.name, wanted["test"])


def _timed(rules: Rulebook, case: Case) -> Ran:
    started_ns = time.perf_counter_ns()
    verdict = rehearse(rules, case)
    return Ran(verdict, (time.perf_counter_ns() - started_ns) // 1000)


def _show(one: Ran, *, verbose: bool, explained: bool) -> None:
    case, failure = one.verdict.case, one.verdict.failure
    if verbose or failure is not None:
        typer.echo(f"{visible(case.name)}: {one.word} ({one.us / 1000:.1f} ms)")
    if failure is not None and (verbose or one.failed):
        typer.echo(render(failure))
        if explained and one.verdict.at is not None:
            typer.echo("\n".join(f"  {row}" for row in shown(explain(one.verdict.at))))


def _junit(ran: Sequence[Ran]) -> str:
    failed, todo = sum(one.failed for one in ran), sum(one.verdict.case.todo for one in ran)
    rows = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuite name="guard test" tests="{len(ran)}" failures="{failed}" skipped="{todo}">',
        *(_testcase(one) for one in ran),
        "</testsuite>",
    ]
    return "\n".join([*rows, ""])


def _testcase(one: Ran) -> str:
    case, failure = one.verdict.case, one.verdict.failure
    names = f'classname="{html.escape(case.service)}" name="{html.escape(visible(case.name))}"'
    inner = ""
    if one.failed and failure is not None:
        text = visible(render(failure).replace("\n", " | "))
        inner = f'<failure message="{html.escape(visible(failure.message))}">{html.escape(text)}</failure>'
    elif case.todo:
        inner = "<skipped/>"
    return f'  <testcase {names} file="{html.escape(case.place)}" time="{one.us / 1_000_000:.6f}">{inner}</testcase>'
