import pytest
from pydantic import ValidationError

from guard.policy.schema import PolicyFile, WindowPart
from guard.policy.units import Rate

SMALLEST = {"version": 1, "service": "x", "upstream": "http://h", "routes": {"GET /": {}}}


def test_the_smallest_policy_is_filled_with_defaults() -> None:
    policy = PolicyFile.model_validate(SMALLEST)
    assert (policy.mode, policy.match.prefix, policy.upstream.url, policy.upstream.max_body) == (
        "enforce",
        "/",
        "http://h",
        1_048_576,
    )
    assert (policy.auth.nonce, policy.auth.scheme, policy.limits.named) == ("required", None, {})


def test_a_scalar_window_is_its_past() -> None:
    policy = PolicyFile.model_validate({**SMALLEST, "auth": {"window": "2s"}})
    assert policy.auth.window == WindowPart.model_validate({"past": "2s"})
    assert policy.auth.window is not None
    assert (policy.auth.window.past, policy.auth.window.future) == (2_000, 1_000)


def test_a_limit_is_read_in_its_units() -> None:
    limit = {"per": ["ip", "key"], "rate": "300/10s", "except": ["cancels"]}
    policy = PolicyFile.model_validate({**SMALLEST, "limits": {"x": limit}})
    assert (policy.limits.named["x"].per, policy.limits.named["x"].rate) == (("ip", "key"), Rate(300, 10_000))
    assert policy.limits.named["x"].except_ == ("cancels",)


def test_what_was_read_cannot_be_changed() -> None:
    policy = PolicyFile.model_validate(SMALLEST)
    with pytest.raises(ValidationError):
        policy.service = "y"


def test_fields_with_the_names_of_python_s_own_are_written_as_they_are_said() -> None:
    upstream = {"url": "http://h", "breaker": {"min": 3, "open": "1s"}}
    breaker = PolicyFile.model_validate({**SMALLEST, "upstream": upstream}).upstream.breaker
    assert breaker is not None
    assert (breaker.min_, breaker.open_, breaker.failures) == (3, 1_000, 50)
