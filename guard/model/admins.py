"""Who administers: tokens, their roles, and what waits for a second person. Values only.

What a role may do stands beside each route of `edges/admin/`; who may confirm is `service/releases.py`.
"""

from enum import StrEnum

import msgspec

from guard.model.names import KeyId, UnixMs


class Role(StrEnum):
    """Each may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do all that the other may."""
        order = tuple(Role)
        return order.index(self) >= order.index(other)


class AdminToken(msgspec.Struct, frozen=True, kw_only=True):
    """One bearer token, without the token: `digest` is the SHA-256 of it in hexadecimal.

    `name` is the actor that the audit trail names; `created_by` the actor who made it.
    """

    id: str
    name: str
    role: Role
    digest: str
    created_at: UnixMs
    created_by: str
    expires_at: UnixMs | None = None
    revoked_at: UnixMs | None = None
    last_used_at: UnixMs | None = None

    def is_good(self, now: UnixMs) -> bool:
        """Whether it opens anything now."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def __repr__(self) -> str:
        return f"AdminToken({self.id!r}, {self.name!r})"


class ReleaseState(StrEnum):
    """EXPIRED is PENDING for longer than it may."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asked for and somebody else must confirm: to create, import, rotate or resume a key, or `reload`.

    `key_id` is the key that becomes active; for a rotation that is the successor, and `overlap_ms` is how long the old
    key then goes on. For policies it is empty, and `change` has the fingerprints before and after.
    """

    id: str
    command: str
    key_id: KeyId = KeyId("")
    change: str | None = None
    overlap_ms: int | None = None
    requested_by: str
    requested_at: UnixMs
    why: str = ""
    expires_at: UnixMs
    state: ReleaseState = ReleaseState.PENDING
    settled_by: str | None = None
    settled_at: UnixMs | None = None

    def state_at(self, now: UnixMs) -> ReleaseState:
        """The state as of now."""
        if self.state is ReleaseState.PENDING and now >= self.expires_at:
            return ReleaseState.EXPIRED
        return self.state
