"""A refusal as a value, and the record of one decision that goes to the log.

A Deny keeps the true reason; what a client may be told of it is a column of the reasons table.
"""

import msgspec

from guard.model.names import AccountId, KeyId, RequestId, UnixMs
from guard.model.questions import Identity, Reading
from guard.model.rules import Rule


class Deny(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The client may not. `code` is a row of the reasons table; `rule` is None for rules of the gateway itself.

    `detail` may be shown to the client if the row is public. `wait_ms` is when trying again can help. `allow` lists the
    methods of a 405. `skew_ms` is our clock minus the claim's, where the clock is wrong. `about` is for the log,
    `check` for who explains it: the name of the check that said no, empty where none did (no such route). `shadow` is
    what rules in shadow would have said before it, in the same step.
    """

    code: str
    rule: Rule | None = None
    detail: str = ""
    wait_ms: int | None = None
    readings: tuple[Reading, ...] = ()
    allow: tuple[str, ...] = ()
    server_time: UnixMs | None = None
    skew_ms: int | None = None
    about: "About | None" = None
    check: str = ""
    shadow: tuple["Deny", ...] = ()


class About(msgspec.Struct, frozen=True, gc=False):
    """Whose message was denied: the key and scheme as claimed, and the account only if the claim was proved. Then
    `message` tells it from others of the key, if it was signed at some time; it is not for the log.
    """

    key_id: KeyId
    scheme: str
    account: AccountId | None = None
    message: Identity | None = None


class DecisionEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One line of the decision log: everything needed to explain the decision, nothing that could be used to repeat it.

    No secrets, signatures, nonces, bodies or query strings; a key appears as its first characters and a keyed tag.
    """

    ts: str
    id: RequestId
    decision: str
    reason: str | None = None
    rule: str | None = None
    status: int | None = None
    sent: str | None = None
    service: str | None = None
    policy: str | None = None
    transport: str | None = None
    method: str | None = None
    route: str | None = None
    shadow: tuple[str, ...] = ()
    cost: int | None = None
    key: str | None = None
    account: str | None = None
    ip: str | None = None
    scheme: str | None = None
    skew_ms: int | None = None
    buckets: dict[str, tuple[int, int]] | None = None
    guard_us: int | None = None
    upstream_us: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    error: str | None = None
