"""The signals that come with guard: each is in order, says why, and may be used in any policy."""

import pytest

from guard.policy.heuristics import shipped_signals
from tests.policy_text import codes, policy, service

_LIMIT = "limits:\n  key: {per: [key], rate: 5/s}"
_NAMES = (
    *("cancel-storms", "cancel-to-order", "credential-sharing", "error-floods", "forgery", "ignoring-429s"),
    *("key-probing", "order-to-trade", "path-probing", "rejected-orders", "replay-storms", "slow-clients"),
)


def test_these_are_shipped() -> None:
    assert tuple(shipped_signals()) == _NAMES


@pytest.mark.parametrize("name", _NAMES)
def test_each_may_be_used_and_says_why_it_is_there(name: str) -> None:
    text = policy(_LIMIT, f"abuse: {{use: [{name}]}}")
    assert codes(text) == []
    compiled = service(text).abuse
    assert compiled is not None
    assert compiled.by_code
    assert shipped_signals()[name].why


@pytest.mark.parametrize("name", _NAMES)
def test_none_bans_by_itself_at_once(name: str) -> None:
    shipped = shipped_signals()[name]
    assert shipped.at_least >= 5
    assert shipped.points <= 40
