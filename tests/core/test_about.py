"""Whose message was denied."""

import pytest

from guard.model.decision import About, Deny
from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.policy import PolicySet
from tests.build import KEY_ID, NOW, abuse, facts, policies, record, service, signed
from tests.line import decided

_SCOPELESS = record(scopes=frozenset())
_WATCHED = policies(service(abuse=abuse()))


def _about(denied: object) -> About | None:
    assert isinstance(denied, Deny)
    return denied.about


def test_what_was_not_proved_is_as_it_claims() -> None:
    stale = signed(at=UnixMs(NOW - 3_600_000), nonce="nonce-0123456789-00000001")
    assert _about(decided(stale, body=b"")) == About(KeyId(KEY_ID), "guard-v1")
    assert _about(decided(facts(), body=b"")) is None


@pytest.mark.parametrize(
    ("rules", "message"),
    [(_WATCHED, (KEY_ID, "guard-v1", b"nonce-0123456789-00000001")), (policies(), None)],
)
def test_what_was_proved_is_its_holders_and_told_from_others_where_somebody_counts(
    rules: PolicySet, message: tuple[str, str, bytes] | None
) -> None:
    denied = decided(signed(nonce="nonce-0123456789-00000001"), rules=rules, key=_SCOPELESS, body=b"")
    assert _about(denied) == About(KeyId(KEY_ID), "guard-v1", AccountId("acme"), message)
