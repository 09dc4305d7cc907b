import pytest

from guard.model.decision import Deny
from guard.model.reasons import TABLE
from guard.service.remedies import _BY_CODE, remedy


@pytest.mark.parametrize(
    ("denied", "expected"),
    [
        (Deny(code="limit.key", wait_ms=50), "wait 50 ms, or raise limits.key"),
        (Deny(code="limit.key"), "lower the cost, or raise what limits.key holds"),
        (Deny(code="auth.replayed"), "sign it anew, with a nonce of its own"),
        (Deny(code="gateway.error"), ""),
    ],
)
def test_a_denial_comes_with_what_can_be_done(denied: Deny, expected: str) -> None:
    assert remedy(denied) == expected


def test_there_are_remedies_for_reasons_only() -> None:
    assert set(_BY_CODE) <= {row.code for row in TABLE}
