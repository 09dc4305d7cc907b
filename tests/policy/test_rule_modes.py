"""Which rules there are, and what a reload made earnest of."""

from guard.model.policy import Service
from guard.policy.rule_modes import has_shadow, is_enforced, promoted, rules_of
from tests.build import policies
from tests.policy_text import policy, service

_ROUTES = "routes:\n  GET /v1/orders: {scope: read}\n  POST /v1/orders: {scope: trade}\n"


def _service(*parts: str, routes: str = _ROUTES) -> Service:
    return service(policy(*parts, routes=routes))


def _limits(mode: str, *more: str) -> Service:
    return _service(f"limits: {{ip: {{per: [ip], rate: 9/s, mode: {mode}}}, key: {{per: [key], rate: 5/s}}}}", *more)


def _names(before: Service, after: Service) -> list[tuple[str, str]]:
    return [(each.name, rule) for each, rule in promoted(policies(before), policies(after))]


def test_every_rule_and_section_that_can_be_overridden_is_known() -> None:
    found = _limits(
        "off",
        "client_ip: {deny: [192.0.2.0/24]}",
        "abuse: {signals: {floods: {on: limit.*, per: key, points: 5, mode: off}}}",
    )
    assert rules_of(found) == {
        *("limits", "limits.ip", "limits.key"),
        *("client_ip", "abuse", "abuse.floods"),
    }
    assert rules_of(_service()) == frozenset()


def test_what_was_in_shadow_and_is_enforced_is_promoted_and_nothing_else_is() -> None:
    assert _names(_limits("shadow"), _limits("enforce")) == [("exchange", "limits.ip")]
    for before, after in (("off", "enforce"), ("shadow", "shadow"), ("enforce", "shadow"), ("shadow", "off")):
        assert _names(_limits(before), _limits(after)) == []
    assert _names(_service(), _limits("enforce")) == []


def test_a_file_a_section_and_a_route_promote_what_they_lowered() -> None:
    abuse = "abuse: {signals: {floods: {on: request.timeout, per: ip, points: 5}}}"
    deny = "client_ip: {deny: [192.0.2.0/24]}"
    before = _service("mode: shadow", abuse, deny)
    assert _names(before, _service(abuse, deny)) == [("exchange", "abuse.floods"), ("exchange", "client_ip")]
    limits = "limits: {key: {per: [key], rate: 5/s}}"
    shadowed = _service(limits, routes=_ROUTES.replace("{scope: trade}", "{scope: trade, mode: shadow}"))
    assert _names(shadowed, _service(limits)) == [("exchange", "limits.key")]


def test_whether_something_is_in_shadow_and_whether_a_rule_is_enforced() -> None:
    assert has_shadow(_limits("shadow"))
    assert not has_shadow(_limits("off"))
    assert is_enforced(_limits("enforce"), "limits.ip")
    assert not is_enforced(_limits("shadow"), "limits.ip")
    assert not is_enforced(_limits("enforce"), "limits.nobody")
