"""Each scenario has what it needs."""

from pathlib import Path

import pytest

from guard.service.policies import Rulebook, read_rulebook
from loadtests.crowd.catalogue import ROOT, SCENARIOS, Scenario
from loadtests.crowd.slo import read_slo

_NAME = [scenario.name for scenario in SCENARIOS]


def test_names_are_one_each_and_every_locustfile_is_listed() -> None:
    files = {file.stem for file in (ROOT / "scenarios").glob("*.py")} - {"__init__"}
    assert len(set(_NAME)) == len(_NAME)
    assert files == set(_NAME)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=_NAME)
def test_a_scenario_has_its_users_its_policy_and_its_slos(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_BACKEND", "http://127.0.0.1:9")
    assert isinstance(read_rulebook(scenario.policy_file), Rulebook)
    assert scenario.locustfile.is_file()
    assert read_slo(ROOT / "slo.yaml", scenario.name).names


def test_the_readme_has_the_same_list() -> None:
    rows = [
        line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `") and "yaml`" in line
    ]
    assert rows == [f"| `{each.name}` | {each.shows} | `{each.policy}` |" for each in SCENARIOS]


def test_no_policy_lies_about_unused() -> None:
    assert {file.name for file in Path(ROOT, "policies").iterdir()} == {scenario.policy for scenario in SCENARIOS}
