import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from guard.cli.main import app


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GUARD_DATABASE_URL", "GUARD_SEALING_KEY_FILE", "GUARD_ACTOR", "GUARD_POLICIES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    guard("keys", "create", "--account", "acme", "--id", "k1")
    return tmp_path


def guard(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def halt(*words: str) -> Result:
    return guard("halt", *words, "--why", "ticket 4711", "--actor", "alice")


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def in_force() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = told(guard("halt", "list", "--json"))
    return found


@pytest.mark.parametrize("target", [("account", "acme"), ("key", "k1"), ("service", "spot"), ("all",)])
@pytest.mark.parametrize("modes", [(), ("--reads-only",), ("--with-cancels",), ("--reads-only", "--with-cancels")])
def test_what_is_halted_stands_in_the_list_until_it_is_lifted(target: tuple[str, ...], modes: tuple[str, ...]) -> None:
    answer = told(halt(*target, *modes, "--json"))
    assert answer["nodes"]["in_force"] is True
    [listed] = in_force()
    assert listed == {name: value for name, value in answer.items() if name != "nodes"}
    assert (listed["kind"], listed["name"]) == (target[0], target[1] if len(target) > 1 else "")
    assert (listed["reads_only"], listed["with_cancels"]) == ("--reads-only" in modes, "--with-cancels" in modes)
    assert (listed["why"], listed["actor"]) == ("ticket 4711", "alice")
    [lifted] = told(halt("lift", answer["id"], "--json"))["lifted"]
    assert lifted["lifted_at_ms"] is not None
    assert in_force() == []
    assert [each["id"] for each in told(guard("halt", "list", "--lifted", "--json"))] == [answer["id"]]


def test_a_halt_says_what_it_stops_and_how_to_end_it() -> None:
    result = halt("account", "acme")
    assert "account acme is halted. No gateway is running." in result.stdout
    assert "Everything is refused, cancels too (--with-cancels lets them pass)." in result.stdout
    assert "guard halt lift halt_" in result.stdout


@pytest.mark.parametrize(
    ("target", "option"),
    [
        (("account", "acme"), ("--account", "acme")),
        (("key", "k1"), ("--key", "k1")),
        (("service", "spot"), ("--service", "spot")),
        (("all",), ("--all",)),
    ],
)
def test_halts_are_lifted_by_what_they_are_over(target: tuple[str, ...], option: tuple[str, ...]) -> None:
    for halted in (("account", "acme"), ("key", "k1"), ("service", "spot"), ("all",)):
        halt(*halted)
    assert "Still in force: 3." in halt("lift", *option).stdout
    assert target[0] not in {each["kind"] for each in in_force()}
    assert len(in_force()) == 3


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("account", "nobody"), 1, "account nobody has no key"),
        (("key", "k2"), 1, "there is no key k2"),
        (("lift", "halt_x"), 1, "no halt halt_x is in force"),
        (("lift", "--all"), 1, "nothing is halted there"),
        (("lift",), 2, "say which"),
        (("lift", "halt_x", "--all"), 2, "say which"),
        (("lift", "--all", "--account", "acme"), 2, "say which"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(words: tuple[str, ...], code: int, sentence: str) -> None:
    result = halt(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert sentence in result.stderr
    assert in_force() == []


def test_nothing_is_halted_without_a_reason() -> None:
    assert guard("halt", "all").exit_code == 2
    assert guard("halt", "all", "--why", "").exit_code == 1
    assert guard("halt", "list").stdout == "Nothing is halted.\n"


_POLICY = Path(__file__).parent.parent.parent / "policies"


def test_a_service_that_the_policies_do_not_know_is_halted_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_POLICIES", str(_POLICY))
    result = halt("service", "exchnge")
    assert result.exit_code == 0
    assert "the policies here have no service exchnge, only " in result.stderr
    assert [each["name"] for each in in_force()] == ["exchnge"]


@pytest.mark.parametrize("word", ["account", "key", "service", "all", "lift", "list"])
def test_help_begins_with_three_examples(word: str) -> None:
    lines = [line.strip() for line in guard("halt", word, "--help").stdout.splitlines() if line.strip()]
    assert all(f"guard halt {word}" in line for line in lines[1:4]), lines
