import pytest

from guard.model.admins import AdminToken, Release, ReleaseState, Role
from guard.model.names import KeyId, UnixMs


def token(**changes: object) -> AdminToken:
    fields: dict[str, object] = {"id": "gt_1", "name": "alice", "role": Role.ADMIN, "digest": "canary"}
    return AdminToken(**{**fields, "created_at": 5, "created_by": "bob", **changes})  # type: ignore[arg-type]


def test_each_role_may_what_those_before_it_may() -> None:
    may = [[one.includes(other) for other in Role] for one in Role]
    assert may == [[True, False, False], [True, True, False], [True, True, True]]


def test_a_token_is_good_until_it_expires_to_the_millisecond_or_is_revoked() -> None:
    assert token().is_good(UnixMs(10**15))
    assert token(expires_at=10).is_good(UnixMs(9))
    assert not token(expires_at=10).is_good(UnixMs(10))
    assert not token(revoked_at=1).is_good(UnixMs(9))


def test_a_digest_is_in_no_repr() -> None:
    assert "canary" not in repr(token())


@pytest.mark.parametrize(
    ("state", "now", "then"),
    [
        (ReleaseState.PENDING, 9, ReleaseState.PENDING),
        (ReleaseState.PENDING, 10, ReleaseState.EXPIRED),
        (ReleaseState.CONFIRMED, 10, ReleaseState.CONFIRMED),
    ],
)
def test_a_release_expires_to_the_millisecond(state: ReleaseState, now: int, then: ReleaseState) -> None:
    release = Release(
        id="gr_1",
        command="create",
        key_id=KeyId("gk_1"),
        requested_by="alice",
        requested_at=UnixMs(1),
        expires_at=UnixMs(10),
        state=state,
    )
    assert release.state_at(UnixMs(now)) is then
