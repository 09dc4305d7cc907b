"""What the Locust processes are told."""

from pathlib import Path

import pytest

from loadtests.crowd.keys import Role, minted
from loadtests.crowd.plan import VARIABLE, Plan, planned, write_plan
from loadtests.crowd.shapes import spike


def test_a_plan_is_read_as_it_was_written_and_by_its_owner_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = dict(minted([Role("trader"), Role("crowd", shared=True)], users=2, workers=2))
    plan = Plan("steady", spike(2, 10_000), keys, str(tmp_path))
    write_plan(tmp_path / "plan.json", plan)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "plan.json"))
    assert planned() == plan
    assert (tmp_path / "plan.json").stat().st_mode & 0o777 == 0o600


def test_a_scenario_that_is_started_without_a_plan_says_how_to_start_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(RuntimeError, match="guard loadtest run SCENARIO"):
        planned()
