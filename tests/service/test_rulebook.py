from guard.model.policy import PolicySet
from guard.service.rulebook import Rulebook, Rules


def test_rules_are_found_where_they_were_put() -> None:
    first, second = (Rulebook(policies=PolicySet(services=(), digest=digest), schemes={}) for digest in "ab")
    rules = Rules(first)
    assert rules.policies.digest == "a"
    rules.current = second
    assert rules.policies.digest == "b"
