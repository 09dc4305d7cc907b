"""Routes that move money, or make keys."""

import pytest

from tests.policy_text import policy, told

WEAK = "moves money or keys, and takes hmac-sha256 keys from any network"


def _told(route: str, *parts: str) -> list[tuple[str, int, str]]:
    return told(policy(*parts, routes=f"routes:\n  {route}\n"))


@pytest.mark.parametrize(
    "key", ["POST /v1/withdrawals", "POST /v1/internalTransfer", "PUT /v1/apiKeys/{id}", "ANY /v1/api-keys"]
)
def test_a_key_whose_secret_guard_holds_is_too_little_from_any_network(key: str) -> None:
    assert _told(f"{key}: {{scope: x}}") == [("P403", 5, f"`{key}` {WEAK}")]


def test_the_scope_may_say_that_money_is_moved() -> None:
    assert _told("POST /v1/x: {scope: withdraw}") == [("P403", 5, f"`POST /v1/x` {WEAK}")]


@pytest.mark.parametrize(
    "route",
    [
        "POST /v1/withdrawals: {algorithms: [ed25519]}",
        "POST /v1/withdrawals: {require: [key_ip_allowlist]}",
        "GET /v1/withdrawals: {}",
        "POST /v1/withdrawals/preview: {reads: true}",
        "POST /v1/deposits: {scope: trade}",
    ],
)
def test_a_private_key_or_bound_networks_are_enough_and_reading_moves_nothing(route: str) -> None:
    assert _told(route) == []


def test_an_open_route_is_told_beside_the_warning_of_its_method() -> None:
    assert _told("POST /v1/withdrawals: {auth: none}") == [
        ("P401", 5, "`POST /v1/withdrawals` is open to anyone, and its method is for more than reading"),
        ("P403", 5, "`POST /v1/withdrawals` moves money or keys, and is open to anyone"),
    ]


@pytest.mark.parametrize(
    ("route", "parts", "line"),
    [
        ("POST /v1/withdrawals: {algorithms: [ed25519], mode: shadow}", (), 5),
        ("POST /v1/withdrawals: {algorithms: [ed25519]}", ("mode: off",), 4),
    ],
)
def test_rules_that_are_not_enforced_are_told(route: str, parts: tuple[str, ...], line: int) -> None:
    message = "`POST /v1/withdrawals` moves money or keys, and its rules are not enforced"
    assert _told(route, *parts) == [("P403", line, message)]


def test_auth_in_shadow_is_told() -> None:
    shadow = "auth: {mode: shadow, allow_unauthenticated: true}"
    message = "`POST /v1/withdrawals` moves money or keys, and `auth` is in shadow"
    assert ("P403", 4, message) in _told("POST /v1/withdrawals: {algorithms: [ed25519]}", shadow)
