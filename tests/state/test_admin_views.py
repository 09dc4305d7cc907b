from guard.model.abuse import Evidence
from guard.model.admins import AdminToken, Release, Role
from guard.model.halts import HaltKind
from guard.model.names import KeyId, RequestId, UnixMs
from guard.model.nodes import NodeStatus
from guard.state.admin_views import (
    ban_view,
    halt_view,
    node_view,
    release_view,
    token_view,
    touched_release,
    touched_token,
)
from tests.build import NOW, ban, halt
from tests.state.test_nodes import node

TOKEN = AdminToken(
    id="gt_1",
    name="alice",
    role=Role.ADMIN,
    digest="canary",
    created_at=UnixMs(5),
    created_by="root",
    expires_at=UnixMs(6),
    revoked_at=UnixMs(7),
    last_used_at=UnixMs(8),
)
RELEASE = Release(
    id="gr_1",
    command="create",
    key_id=KeyId("gk_1"),
    requested_by="alice",
    requested_at=UnixMs(5),
    why="why",
    expires_at=UnixMs(6),
)


def test_a_token_is_shown_without_its_digest() -> None:
    view = token_view(TOKEN)
    assert (view.id, view.name, view.role, view.created_by) == ("gt_1", "alice", Role.ADMIN, "root")
    assert (view.created_at_ms, view.expires_at_ms, view.revoked_at_ms, view.last_used_at_ms) == (5, 6, 7, 8)
    assert "canary" not in repr(view) + repr(touched_token(None, TOKEN))


def test_a_release_is_shown_whole() -> None:
    view = release_view(RELEASE)
    assert (view.id, view.command, view.key_id, view.requested_by, view.why) == (
        "gr_1",
        "create",
        "gk_1",
        "alice",
        "why",
    )
    assert (view.requested_at_ms, view.expires_at_ms, view.state, view.settled_by) == (5, 6, "pending", None)


def test_a_halt_is_shown_whole() -> None:
    view = halt_view(halt(HaltKind.ACCOUNT, "acme", lifted_at=UnixMs(9)))
    assert (view.kind, view.name, view.since_ms, view.lifted_at_ms) == (HaltKind.ACCOUNT, "acme", NOW, 9)


def test_a_node_is_shown_with_what_it_follows() -> None:
    view = node_view(NodeStatus(node=node("n1"), revision=7, silent_ms=5, clock_offset_ms=-2))
    assert (view.id, view.pid, view.lease_ms) == ("n1", 4711, 900)
    assert (view.revision, view.silent_ms, view.clock_offset_ms) == (7, 5, -2)


def test_the_audit_trail_gets_both_sides_as_json_values() -> None:
    made, changed = touched_token(None, TOKEN), touched_release(RELEASE, RELEASE)
    assert (made.subject.kind, made.subject.id, made.before) == ("admin_token", "gt_1", None)
    assert (made.after or {})["role"] == "admin"
    assert (changed.subject.kind, (changed.before or {})["state"]) == ("release", "pending")


def test_a_ban_is_shown_with_its_evidence_and_without_the_keys_that_it_lets_in() -> None:
    evidence = Evidence(signals={"forgery": 2}, requests=(RequestId("req_a"),))
    view = ban_view(ban(guests=(KeyId("gk_secret"),), evidence=evidence))
    assert (view.name, view.signals, view.requests, view.rule) == (
        *("203.0.113.7", {"forgery": 2}, ("req_a",), "abuse.replay (test.yaml:1)"),
    )
    assert "gk_secret" not in repr(view)
    assert (ban_view(ban(rule=None)).rule, ban_view(ban()).signals) == (None, {})
