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
        (Deny(code="request.too_many_items"), "send several requests, or raise `max` in the route's `cost`"),
        (Deny(code="gateway.error"), ""),
    ],
)
def test_a_denial_comes_with_what_can_be_done(denied: Deny, expected: str) -> None:
    assert remedy(denied) == expected


@pytest.mark.parametrize("code", ["abuse.ban", "abuse.quarantine"])
def test_who_is_banned_is_told_the_commands_that_show_and_end_it(code: str) -> None:
    for command in ("guard bans list", "guard bans show ban_…", "guard bans lift ban_… --why"):
        assert command in remedy(Deny(code=code))


@pytest.mark.parametrize("code", ["authz.require", "request.bad_body"])
def test_who_has_sent_too_little_is_told_what_to_send(code: str) -> None:
    assert remedy(Deny(code=code)).startswith("send ")


def test_there_are_remedies_for_reasons_only() -> None:
    assert set(_BY_CODE) <= {row.code for row in TABLE}
