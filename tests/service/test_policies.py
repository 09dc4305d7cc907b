"""The rules in force, or every diagnostic that keeps them from it."""

from pathlib import Path

from guard.model.policy import PolicySet
from guard.policy.load import Invalid
from guard.service.policies import Rulebook, Rules, read_rulebook, rulebook_of

_POLICIES = Path(__file__).parent.parent.parent / "policies"


def test_the_shipped_policies_come_with_the_schemes_that_they_accept() -> None:
    rules = read_rulebook(_POLICIES)
    assert isinstance(rules, Rulebook)
    assert {"guard-v1", "binance"} <= set(rules.schemes)
    assert {service.name for service in rules.policies.services} == {"example", "exchange"}


def test_a_fault_keeps_the_rules_from_being_in_force(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("version: 1\nservice: x\n")
    assert isinstance(read_rulebook(tmp_path), Invalid)


def test_contents_that_were_read_make_the_same_rules_without_the_files(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text((_POLICIES / "exchange.yaml").read_text())
    rules = read_rulebook(tmp_path)
    assert isinstance(rules, Rulebook)
    assert rules.files == {str(file): file.read_bytes()}
    file.unlink()
    again = rulebook_of(rules.files)
    assert isinstance(again, Rulebook)
    assert again.policies.digest == rules.policies.digest
    assert again.policies.services[0].rule.file == rules.policies.services[0].rule.file


def test_rules_are_found_where_they_were_put() -> None:
    first, second = (Rulebook(policies=PolicySet(services=(), digest=digest), schemes={}) for digest in "ab")
    rules = Rules(first)
    assert rules.policies.digest == "a"
    rules.current = second
    assert rules.policies.digest == "b"
