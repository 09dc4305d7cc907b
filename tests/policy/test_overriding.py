"""What an override changes: modes, and nothing else."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model.overrides import Override
from guard.model.policy import PolicySet, Service
from guard.model.rules import Mode
from guard.policy.overriding import overridden
from tests.build import NOW, override, policies
from tests.policy_text import policy, service

_TEXT = policy(
    "client_ip: {deny: [192.0.2.0/24], mode: shadow}",
    "limits: {ip: {per: [ip], rate: 9/s}, key: {per: [key], rate: 5/s}, idle: {per: [key], rate: 5/s, mode: off}}",
    "tiers: {gold: {key: {rate: 50/s}}}",
    "abuse: {signals: {floods: {on: limit.*, per: key, points: 5}, "
    "slow: {on: request.timeout, per: ip, points: 5, mode: off}}}",
    routes="routes:\n  GET /v1/orders: {scope: read}\n  POST /v1/orders: {scope: trade, mode: shadow}\n",
)
_COMPILED = service(_TEXT)
_NAMES = ["limits", "limits.ip", "limits.key", "limits.idle", "client_ip", "abuse", "abuse.floods", "abuse.slow"]


def _with(*overrides: Override) -> Service:
    [found] = overridden(policies(_COMPILED), overrides).services
    return found


def _limit_modes(found: Service) -> dict[str, Mode]:
    """Of each limit of the route without a mode of its own, the one of a tier too."""
    read = next(each for each in found.routes.routes() if each.name == "GET /v1/orders")
    modes = {limit.name: limit.rule.mode for limit in (*read.limits_address, *read.limits_principal)}
    return modes | {f"gold {limit.name}": limit.rule.mode for limit in read.limits_by_tier["gold"]}


def _signal_modes(found: Service) -> dict[str, Mode]:
    assert found.abuse is not None
    return {signal.name: signal.rule.mode for signal, _ in found.abuse.signals}


def test_one_limit_is_meant_otherwise_on_each_route_and_for_each_tier_and_no_other_is() -> None:
    assert _limit_modes(_with(override("limits.key", Mode.SHADOW))) == {
        "ip": Mode.ENFORCE,
        "key": Mode.SHADOW,
        "idle": Mode.OFF,
        "gold key": Mode.SHADOW,
        "gold idle": Mode.OFF,
    }


def test_that_of_a_section_is_of_all_its_rules_but_leaves_off_what_is_off() -> None:
    assert _limit_modes(_with(override("limits", Mode.SHADOW))) == {
        "ip": Mode.SHADOW,
        "key": Mode.SHADOW,
        "idle": Mode.OFF,
        "gold key": Mode.SHADOW,
        "gold idle": Mode.OFF,
    }


def test_what_is_in_shadow_or_off_is_raised_by_its_name() -> None:
    assert _limit_modes(_with(override("limits.idle", Mode.ENFORCE)))["idle"] is Mode.ENFORCE
    assert _with(override("client_ip", Mode.ENFORCE)).client_ip.rule.mode is Mode.ENFORCE
    [shadowed] = {
        limit.rule.mode
        for each in _with(override("limits", Mode.ENFORCE)).routes.routes()
        for limit in each.limits_principal
        if limit.name == "key"
    }
    assert shadowed is Mode.ENFORCE


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (override("limits.key", Mode.OFF), override("limits", Mode.SHADOW, since=NOW + 5)),
        (override("limits.key", Mode.OFF, service="p0"), override("limits.key", Mode.SHADOW, since=NOW + 5)),
        (override("limits.key", Mode.OFF, since=NOW + 5), override("limits.key", Mode.SHADOW)),
    ],
    ids=["a rule before its section", "a service before all", "the newer"],
)
def test_which_of_two_counts(first: Override, second: Override) -> None:
    for order in ((first, second), (second, first)):
        named = [msgspec.structs.replace(each, service=_COMPILED.name) if each.service else each for each in order]
        assert _limit_modes(_with(*named))["key"] is Mode.OFF


def test_a_signal_that_was_off_is_watched_for_and_one_that_is_off_is_not() -> None:
    assert _COMPILED.abuse is not None
    assert "request.timeout" not in _COMPILED.abuse.by_code
    raised = _with(override("abuse.slow", Mode.ENFORCE)).abuse
    assert raised is not None
    assert [signal.name for signal in raised.by_code["request.timeout"]] == ["slow"]
    lowered = _with(override("abuse", Mode.OFF)).abuse
    assert lowered is not None
    assert (lowered.by_code, lowered.by_status, lowered.rule.mode) == ({}, ((),) * 6, Mode.OFF)


def test_signals_of_several_modes_are_tried_beside_those_that_are_in_force() -> None:
    found = _with(override("abuse.slow", Mode.SHADOW)).abuse
    assert found is not None
    assert found.tries
    assert _signal_modes(_with(override("abuse", Mode.SHADOW))) == {"floods": Mode.SHADOW, "slow": Mode.OFF}


def test_a_section_that_is_off_has_effects_again_once_one_of_its_signals_is_raised() -> None:
    off = service(policy("abuse: {mode: off, signals: {slow: {on: request.timeout, per: ip, points: 5}}}"))
    [found] = overridden(policies(off), [override("abuse.slow", Mode.ENFORCE)]).services
    assert found.abuse is not None
    assert found.abuse.rule.mode is Mode.ENFORCE


def test_another_service_and_a_rule_that_is_not_there_change_nothing() -> None:
    for nothing in ((), (override("limits", service="other"),), (override("limits.nobody"),), (override("auth"),)):
        before = policies(_COMPILED)
        assert overridden(before, nothing) is before


def test_an_override_to_what_a_rule_is_already_changes_nothing() -> None:
    before = policies(_COMPILED)
    assert (
        overridden(before, [override("client_ip", Mode.SHADOW), override("limits.ip", Mode.OFF, service="x")]) is before
    )


_OVERRIDES = st.lists(
    st.builds(
        override,
        st.sampled_from([*_NAMES, "auth", "limits.nobody"]),
        st.sampled_from(Mode),
        service=st.sampled_from(["", _COMPILED.name, "other"]),
        since=st.integers(min_value=NOW, max_value=NOW + 9),
    ),
    max_size=6,
)


def _without_modes(value: Any) -> Any:
    """Everything of it but modes, and what follows from those of signals."""
    if isinstance(value, dict):
        derived = ("mode", "by_code", "by_status", "tries")
        return {name: _without_modes(each) for name, each in value.items() if name not in derived}
    return [_without_modes(each) for each in value] if isinstance(value, list | tuple) else value


def _told(found: PolicySet) -> Any:
    return _without_modes(msgspec.to_builtins(found, builtin_types=(bytes,), enc_hook=sorted))


@given(_OVERRIDES)
def test_nothing_but_modes_changes_so_buckets_are_the_same(overrides: list[Override]) -> None:
    assert _told(overridden(policies(_COMPILED), overrides)) == _told(policies(_COMPILED))


@given(_OVERRIDES)
def test_who_may_send_is_never_touched(overrides: list[Override]) -> None:
    auths = [[each.auth for each in found.routes.routes()] for found in (_with(*overrides), _COMPILED)]
    assert all(after is before for after, before in zip(*auths, strict=True))
