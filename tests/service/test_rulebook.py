"""The files' rules and what operators say for a while, in one place."""

from collections.abc import Mapping

from guard.model.policy import PolicySet, Service
from guard.model.rules import Mode
from guard.service.rulebook import Rulebook, Rules
from tests.build import limit, override, policies, route, service


def _book(*names: str) -> Rulebook:
    limits = tuple(limit(name) for name in names)
    return Rulebook(policies=policies(service(route(limits_principal=limits))), schemes={})


def _modes(rules: Rules) -> dict[str, Mode]:
    [found] = rules.policies.services
    return {each.name: each.rule.mode for each in next(found.routes.routes()).limits_principal}


def test_rules_are_found_where_they_were_put() -> None:
    first, second = (Rulebook(policies=PolicySet(services=(), digest=digest), schemes={}) for digest in "ab")
    rules = Rules(first)
    assert rules.policies.digest == "a"
    rules.put(second)
    assert rules.policies.digest == "b"
    assert rules.base is rules.current is second


def test_an_override_outlives_a_reload_and_a_reload_an_override() -> None:
    rules, after = Rules(_book("key")), _book("key", "burst")
    rules.override((override("limits.key"),))
    assert _modes(rules) == {"key": Mode.SHADOW}
    rules.put(after)
    assert _modes(rules) == {"key": Mode.SHADOW, "burst": Mode.ENFORCE}
    assert rules.base is after
    rules.override(())
    assert rules.current is after


def test_a_service_that_stands_in_for_another_is_told_before_any_message_can_meet_it() -> None:
    rules = Rules(_book("key"))
    told: list[tuple[Service, Service, bool]] = []

    def derive(derived: Mapping[Service, Service]) -> None:
        told.extend((new, base, rules.current is rules.base) for new, base in derived.items())

    rules.derive = derive
    rules.override((override("limits.nobody"),))
    assert told == []
    rules.override((override("limits.key"),))
    assert told == [(*rules.policies.services, *rules.base.policies.services, True)]
