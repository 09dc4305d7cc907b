"""A rule says where it stands."""

from guard.model.rules import Mode, Rule


def test_a_rule_names_itself_and_its_line() -> None:
    assert str(Rule("limits.key", "exchange.yaml", 22)) == "limits.key (exchange.yaml:22)"


def test_a_rule_is_meant_in_earnest_unless_it_says_otherwise() -> None:
    assert Rule("auth", "exchange.yaml", 1).mode is Mode.ENFORCE
