"""The rules in force, or every diagnostic that keeps them from it."""

from pathlib import Path

from guard.policy.load import Invalid
from guard.service.policies import Rulebook, read_rulebook

_POLICIES = Path(__file__).parent.parent.parent / "policies"


def test_the_shipped_policies_come_with_the_schemes_that_they_accept() -> None:
    rules = read_rulebook(_POLICIES)
    assert isinstance(rules, Rulebook)
    assert {"guard-v1", "binance"} <= set(rules.schemes)
    assert {service.name for service in rules.policies.services} == {"example", "exchange"}


def test_a_fault_keeps_the_rules_from_being_in_force(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("version: 1\nservice: x\n")
    assert isinstance(read_rulebook(tmp_path), Invalid)
