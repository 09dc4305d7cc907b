"""`guard loadtest` without a load: what it refuses, and what it says at the end. tests/loadtests has the real runs."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guard.cli import loadtest
from loadtests.crowd import run as crowd_run
from loadtests.crowd.verdict import Finding, Verdict
from loadtests.crowd.wanted import Wanted


def guard(*words: str) -> Result:
    return CliRunner().invoke(loadtest.app, [*words])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Wanted]:
    """Runs that were started; each ends with `a` held and `b` breached."""
    started: list[Wanted] = []

    def run(wanted: Wanted) -> Verdict:
        started.append(wanted)
        return Verdict((Finding("a", "≤ 1", "0", held=True), Finding("b", "≤ 1", "2", held=False)))

    monkeypatch.setattr(crowd_run, "run", run)
    return started


def test_what_is_asked_for_is_run_and_its_verdict_is_the_exit_code(asked: list[Wanted]) -> None:
    result = guard("run", "steady", "--duration", "5s", "--users", "3", "--processes", "2", "--out", "there")
    assert result.exit_code == 3
    assert result.stdout.splitlines() == [
        "  breached: b ≤ 1, found 2",
        "  next: there/steady/verdict.md, there/steady/report.html",
    ]
    (wanted,) = asked
    assert (wanted.scenario.name, wanted.duration_ms, wanted.users, wanted.processes) == ("steady", 5_000, 3, 2)


@pytest.mark.parametrize(
    ("verdict", "code", "said"),
    [
        (Verdict((Finding("a", "≤ 1", "0", held=True),)), 0, "  all 1 SLOs held"),
        (Verdict((), ("the gateway has ended with code 1: see gateway.log",)), 1, "  error: the gateway has ended"),
    ],
)
def test_a_run_that_held_and_one_that_went_wrong(
    monkeypatch: pytest.MonkeyPatch, verdict: Verdict, code: int, said: str
) -> None:
    monkeypatch.setattr(crowd_run, "run", lambda _: verdict)
    result = guard("run", "steady")
    assert result.exit_code == code
    assert result.stdout.startswith(said)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RuntimeError("guard has ended with code 3"), 1, "guard: guard has ended with code 3: see out/steady"),
        (KeyboardInterrupt(), 130, "guard: stopped; no verdict"),
    ],
)
def test_a_run_without_a_verdict_says_why(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    def run(_: Wanted) -> Verdict:
        raise error

    monkeypatch.setattr(crowd_run, "run", run)
    result = guard("run", "steady")
    assert (result.exit_code, result.stderr.strip()) == (code, said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["steadfast"], "guard: there is no scenario 'steadfast': guard loadtest list names them"),
        (["steady", "--duration", "5"], "guard: --duration 5: is not a duration: write"),
        (
            ["steady", "--host", "http://192.0.2.1", "--keys", "k"],
            "guard: --host http://192.0.2.1: this is not loopback",
        ),
        (["steady", "--slo", "none.yaml"], "guard: none.yaml: No such file or directory"),
    ],
)
def test_wrong_usage_starts_nothing(asked: list[Wanted], words: list[str], said: str) -> None:
    result = guard("run", *words)
    assert result.exit_code == 2
    assert result.stderr.startswith(said)
    assert asked == []


def test_without_locust_the_remedy_is_named(asked: list[Wanted], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "locust", None)
    result = guard("run", "steady")
    assert result.exit_code == 2
    assert result.stderr.startswith("guard: Locust is not installed: pip install 'guard-gateway[loadtest]'")
    assert asked == []


@pytest.mark.parametrize("words", [["list"], ["run", "steady"]])
def test_without_a_checkout_there_are_no_scenarios(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str]
) -> None:
    monkeypatch.setattr(loadtest, "__file__", str(tmp_path / "site-packages" / "guard" / "cli" / "loadtest.py"))
    monkeypatch.chdir(tmp_path)
    result = guard(*words)
    assert (result.exit_code, result.stderr) == (
        2,
        "guard: there is no loadtests/ here: run this in a checkout of guard\n",
    )


def test_the_list_says_what_each_scenario_shows() -> None:
    lines = guard("list").stdout.splitlines()
    assert "  steady" in lines[0]
    assert lines[0].endswith("an ordinary day: 70 % reads, 25 % orders, 5 % cancels")
