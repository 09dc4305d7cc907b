"""What may be shown of tokens, releases, halts and nodes: to administrators, and of the first two to the audit trail.

Times are Unix milliseconds.
"""

import msgspec

from guard.model.abuse import Action, SubjectKind
from guard.model.admins import AdminToken, Release, ReleaseState, Role
from guard.model.audit import Subject, Touched
from guard.model.bans import Ban
from guard.model.halts import Halt, HaltKind
from guard.model.nodes import NodeStatus
from guard.model.overrides import Override
from guard.model.rules import Mode


class TokenView(msgspec.Struct, frozen=True, kw_only=True):
    """An administrator's token, without the token itself."""

    id: str
    name: str
    role: Role
    created_at_ms: int
    created_by: str
    expires_at_ms: int | None
    revoked_at_ms: int | None
    last_used_at_ms: int | None


class ReleaseView(msgspec.Struct, frozen=True, kw_only=True):
    """What waits, or waited, for a second person."""

    id: str
    command: str
    key_id: str
    change: str | None
    requested_by: str
    requested_at_ms: int
    why: str
    expires_at_ms: int
    state: ReleaseState
    settled_by: str | None
    settled_at_ms: int | None


class HaltView(msgspec.Struct, frozen=True, kw_only=True):
    """Whom or what is stopped, and what still passes: reads, and routes of `priority: critical` (cancels)."""

    id: str
    kind: HaltKind
    name: str
    reads_only: bool
    with_cancels: bool
    why: str
    actor: str
    since_ms: int
    lifted_at_ms: int | None
    revision: int


class BanView(msgspec.Struct, frozen=True, kw_only=True):
    """Who is banned or held back, by whom or by which line of which policy, and why. `service` is empty for all.

    `shadow`: it is only recorded. `signals` says how often each raised the score, `requests` which were the last.
    """

    id: str
    service: str
    kind: SubjectKind
    name: str
    action: Action
    shadow: bool
    rule: str | None
    since_ms: int
    until_ms: int
    strikes: int
    points: int
    signals: dict[str, int]
    requests: tuple[str, ...]
    why: str
    actor: str
    lifted_at_ms: int | None
    revision: int


class OverrideView(msgspec.Struct, frozen=True, kw_only=True):
    """Which rule or section has which mode for a while, other than its file says. `service` is empty for all."""

    id: str
    service: str
    rule: str
    mode: Mode
    since_ms: int
    until_ms: int
    why: str
    actor: str
    lifted_at_ms: int | None
    revision: int


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """A process that serves. `revision` is that of the keys it follows; it was silent for `silent_ms`, and serves what
    it knew for `lease_ms` at most; its clock was `clock_offset_ms` ahead of the database's.
    """

    id: str
    host: str
    pid: int
    listen: str
    version: str
    started_at_ms: int
    silent_ms: int
    revision: int
    lease_ms: int
    clock_offset_ms: int | None


def token_view(token: AdminToken) -> TokenView:
    """What may be shown of it."""
    return TokenView(
        id=token.id,
        name=token.name,
        role=token.role,
        created_at_ms=token.created_at,
        created_by=token.created_by,
        expires_at_ms=token.expires_at,
        revoked_at_ms=token.revoked_at,
        last_used_at_ms=token.last_used_at,
    )


def release_view(release: Release) -> ReleaseView:
    """What may be shown of it: all of it."""
    return ReleaseView(
        id=release.id,
        command=release.command,
        key_id=release.key_id,
        change=release.change,
        requested_by=release.requested_by,
        requested_at_ms=release.requested_at,
        why=release.why,
        expires_at_ms=release.expires_at,
        state=release.state,
        settled_by=release.settled_by,
        settled_at_ms=release.settled_at,
    )


def halt_view(halt: Halt) -> HaltView:
    """What may be shown of it: all of it."""
    return HaltView(
        id=halt.id,
        kind=halt.kind,
        name=halt.name,
        reads_only=halt.reads_only,
        with_cancels=halt.with_cancels,
        why=halt.why,
        actor=halt.actor,
        since_ms=halt.since,
        lifted_at_ms=halt.lifted_at,
        revision=halt.revision,
    )


def ban_view(ban: Ban) -> BanView:
    """What may be shown of it: all but the keys that an address lets in."""
    evidence = ban.evidence
    return BanView(
        id=ban.id,
        service=ban.service,
        kind=ban.kind,
        name=ban.name,
        action=ban.action,
        shadow=ban.is_shadow,
        rule=None if ban.rule is None else str(ban.rule),
        since_ms=ban.since,
        until_ms=ban.until,
        strikes=ban.strikes,
        points=ban.points,
        signals={} if evidence is None else evidence.signals,
        requests=() if evidence is None else evidence.requests,
        why=ban.why,
        actor=ban.actor,
        lifted_at_ms=ban.lifted_at,
        revision=ban.revision,
    )


def override_view(override: Override) -> OverrideView:
    """What may be shown of it: all of it."""
    return OverrideView(
        id=override.id,
        service=override.service,
        rule=override.rule,
        mode=override.mode,
        since_ms=override.since,
        until_ms=override.until,
        why=override.why,
        actor=override.actor,
        lifted_at_ms=override.lifted_at,
        revision=override.revision,
    )


def node_view(status: NodeStatus) -> NodeView:
    """What may be shown of it."""
    node = status.node
    return NodeView(
        id=node.id,
        host=node.host,
        pid=node.pid,
        listen=node.listen,
        version=node.version,
        started_at_ms=node.started_at,
        silent_ms=status.silent_ms,
        revision=status.revision,
        lease_ms=node.lease_ms,
        clock_offset_ms=status.clock_offset_ms,
    )


def touched_token(before: AdminToken | None, after: AdminToken) -> Touched:
    """A token, for the audit trail."""
    return Touched(
        subject=Subject("admin_token", after.id),
        before=None if before is None else msgspec.to_builtins(token_view(before)),
        after=msgspec.to_builtins(token_view(after)),
    )


def touched_release(before: Release | None, after: Release) -> Touched:
    """A release, for the audit trail."""
    return Touched(
        subject=Subject("release", after.id),
        before=None if before is None else msgspec.to_builtins(release_view(before)),
        after=msgspec.to_builtins(release_view(after)),
    )
