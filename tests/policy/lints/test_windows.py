"""Windows of more than a minute: only a scheme of one's own allows them."""

import pytest

from guard.policy.load import Loaded, load_text
from tests.policy_text import policy

SLOW = "scheme: slow\nextends: binance\ntime: {unit: ms, past_ms: 5000, future_ms: 500, past_ms_max: 600000}\n"


def _told(auth: str, route: str = "{}") -> list[tuple[str, int, str]]:
    text = policy(f"auth: {auth}", routes=f"routes:\n  GET /a: {{}}\n  GET /b: {route}\n")
    loaded = load_text({"p.yaml": text, "slow.scheme.yaml": SLOW})
    assert isinstance(loaded, Loaded), loaded
    return [(one.code, one.line, one.message) for one in loaded.warnings]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ("1m", []),
        ("61s", [("P405", 4, "a signature is good for 61s: whoever captures a request has that long to send it")]),
    ],
)
def test_more_than_a_minute_is_told_once(window: str, expected: list[tuple[str, int, str]]) -> None:
    assert _told(f"{{scheme: slow, window: {window}}}") == expected


def test_a_route_that_says_it_again_is_told_itself() -> None:
    assert [line for _, line, _ in _told("{scheme: slow, window: 5m}", "{window: 2m}")] == [4, 7]


def test_a_route_that_narrows_it_is_in_order() -> None:
    assert [line for _, line, _ in _told("{scheme: slow, window: 5m}", "{window: 5s}")] == [4]
