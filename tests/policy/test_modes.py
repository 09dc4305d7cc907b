"""The lowest mode wins, and who may come at all is lowered in plain words only."""

import pytest

from guard.model.rules import Mode
from guard.policy.modes import lowest
from tests.policy_text import ROUTES, codes, found, policy, routes, service

LIMIT = "{per: [key], rate: 5/s}"


@pytest.mark.parametrize(
    ("modes", "result"),
    [
        (("enforce",), Mode.ENFORCE),
        (("enforce", "shadow"), Mode.SHADOW),
        (("shadow", "enforce"), Mode.SHADOW),
        (("shadow", "off"), Mode.OFF),
        (("off", "enforce", "shadow"), Mode.OFF),
    ],
)
def test_the_lowest_mode_wins(modes: tuple[str, ...], result: Mode) -> None:
    assert lowest(*modes) is result


def _mode(*parts: str, lines: str = ROUTES) -> Mode:
    return routes(policy(*parts, routes=lines))["POST /v1/orders"].limits_principal[0].rule.mode


@pytest.mark.parametrize(
    ("parts", "mode"),
    [
        ((f"limits: {{k: {LIMIT}}}",), Mode.ENFORCE),
        (("limits: {k: {per: [key], rate: 5/s, mode: shadow}}",), Mode.SHADOW),
        ((f"limits: {{mode: shadow, k: {LIMIT}}}",), Mode.SHADOW),
        (("mode: shadow", f"limits: {{k: {LIMIT}}}"), Mode.SHADOW),
        (("mode: off", f"limits: {{mode: shadow, k: {LIMIT}}}"), Mode.OFF),
        (("mode: shadow", "limits: {k: {per: [key], rate: 5/s, mode: off}}"), Mode.OFF),
    ],
)
def test_file_section_and_limit_each_lower_a_limit_and_none_raises_it(parts: tuple[str, ...], mode: Mode) -> None:
    assert _mode(*parts) is mode


def test_a_route_lowers_its_limits_and_no_other_route_s() -> None:
    lines = "routes:\n  POST /v1/orders: {scope: trade, mode: shadow}\n  GET /v1/orders: {scope: read}\n"
    text = policy(f"limits: {{k: {LIMIT}}}", routes=lines)
    modes = {name: route.limits_principal[0].rule.mode for name, route in routes(text).items()}
    assert modes == {"POST /v1/orders": Mode.SHADOW, "GET /v1/orders": Mode.ENFORCE}


def test_addresses_take_the_mode_of_their_section_and_of_the_file() -> None:
    assert service(policy("client_ip: {deny: [192.0.2.0/24], mode: shadow}")).client_ip.rule.mode is Mode.SHADOW
    assert service(policy("mode: off", "client_ip: {deny: [192.0.2.0/24]}")).client_ip.rule.mode is Mode.OFF


def test_neither_the_file_nor_a_route_lowers_auth() -> None:
    lines = "routes:\n  POST /v1/orders: {scope: trade, mode: off}\n  POST /v1/x: {algorithms: [ed25519]}\n"
    for route in routes(policy("mode: shadow", routes=lines)).values():
        assert route.auth is not None
        assert route.auth.rule.mode is Mode.ENFORCE
        assert route.rule.mode is Mode.ENFORCE


def test_auth_in_shadow_has_to_be_meant_and_is_warned_of_each_time() -> None:
    assert codes(policy("auth: {mode: shadow}")) == ["P401"]
    text = policy("auth: {mode: shadow, allow_unauthenticated: true}")
    (warning,) = found(text)
    assert (warning.code, warning.severity) == ("P401", "warning")
    auth = routes(text)["POST /v1/orders"].auth
    assert auth is not None
    assert auth.rule.mode is Mode.SHADOW
    assert codes(policy("auth: {allow_unauthenticated: true}")) == ["P110"]
    assert codes(policy("auth: {mode: off}")) == ["P102"]


def test_a_limit_may_bear_the_name_that_the_model_uses_inside() -> None:
    (only,) = routes(policy(f"limits: {{named: {LIMIT}}}"))["POST /v1/orders"].limits_principal
    assert only.name == "named"
    (fault,) = found(policy("limits: {named: {per: [key], rate: 5/s, brst: 3}}"))
    assert (fault.code, fault.help) == ("P101", "did you mean `burst`?")
