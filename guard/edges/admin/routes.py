"""The one table of the admin API: method, path, role, types, and what answers. The router, the roles and the OpenAPI
document all come from it. Every action is `POST …/{id}/VERB`; a GET changes nothing.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import msgspec

from guard.core.lifecycle import KeyCommand
from guard.edges.admin import (
    ban_shapes,
    bans,
    keys,
    mode_shapes,
    modes,
    people,
    policy_shapes,
    shapes,
    status,
    stop_shapes,
    stops,
    trail,
)
from guard.edges.admin.problems import Lines
from guard.edges.admin.shapes import Nothing, Reason
from guard.model.admins import Role
from guard.state.admin_views import BanView

PREFIX = "/admin/v1"

Act: TypeAlias = Callable[..., Awaitable[Any]]

_VIEWER, _OPERATOR, _ADMIN = Role


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `body` None: it takes none."""

    method: str
    path: str
    role: Role
    act: Act
    answer: type
    summary: str
    body: type | None = None
    query: type = Nothing
    status: int = 200

    @property
    def operation(self) -> str:
        """A name for programs that are generated from the document."""
        return self.act.__name__ if self.act.__name__ != "act" else f"{self.path.rpartition('/')[2]}_key"


def _get(path: str, role: Role, act: Act, answer: type, *, summary: str, query: type = Nothing) -> Route:
    return Route(method="GET", path=PREFIX + path, role=role, act=act, answer=answer, summary=summary, query=query)


def _post(
    path: str, role: Role, act: Act, answer: type, *, summary: str, body: type = Reason, status: int = 200
) -> Route:
    return Route(
        method="POST",
        path=PREFIX + path,
        role=role,
        act=act,
        answer=answer,
        summary=summary,
        body=body,
        status=status,
    )


def _command(word: str, role: Role, command: KeyCommand, summary: str) -> Route:
    return _post(f"/keys/{{id}}/{word}", role, keys.commanding(command), shapes.KeyDone, summary=summary)


_MADE = 201

ROUTES: tuple[Route, ...] = (
    _get("/keys", _VIEWER, keys.list_keys, shapes.KeyPage, summary="Keys, oldest first.", query=shapes.KeyQuery),
    _post(
        *("/keys", _OPERATOR, keys.create_key, shapes.KeyIssued),
        summary="Make a key.",
        body=shapes.CreateKey,
        status=_MADE,
    ),
    _post(
        *("/key-imports", _OPERATOR, keys.import_keys, shapes.KeysImported),
        summary="Take over keys that were made elsewhere: all of them, or none.",
        body=shapes.ImportKeys,
        status=_MADE,
    ),
    _get("/keys/{id}", _VIEWER, keys.show_key, shapes.KeyDetail, summary="One key, and all that was done to it."),
    _post(
        *("/keys/{id}/rotate", _OPERATOR, keys.rotate_key, shapes.KeyIssued),
        summary="Make a successor; after the overlap the old key dies.",
        body=shapes.RotateKey,
        status=_MADE,
    ),
    _command("suspend", _OPERATOR, KeyCommand.SUSPEND, "Refuse a key until it is resumed."),
    _command("resume", _OPERATOR, KeyCommand.RESUME, "Take a suspended key back into use."),
    _command("revoke", _OPERATOR, KeyCommand.DEACTIVATE, "End a key for good."),
    _command("compromise", _OPERATOR, KeyCommand.REPORT_COMPROMISED, "End a key that somebody else may know."),
    _command("destroy", _ADMIN, KeyCommand.DESTROY, "End a key and wipe its secret."),
    _post(
        *("/key-revocations", _OPERATOR, stops.revoke_keys, stop_shapes.KeysRevoked),
        summary="End many keys for good: all that are chosen, or none.",
        body=stop_shapes.RevokeKeys,
    ),
    _get(
        *("/halts", _VIEWER, stops.list_halts, stop_shapes.HaltList),
        summary="What is halted, oldest first.",
        query=stop_shapes.HaltQuery,
    ),
    _post(
        *("/halts", _OPERATOR, stops.create_halt, stop_shapes.HaltDone),
        summary="Stop an account, a key, a service or everything, on all nodes.",
        body=stop_shapes.CreateHalt,
        status=_MADE,
    ),
    _post(
        *("/halts/{id}/lift", _OPERATOR, stops.lift_halt, stop_shapes.HaltDone),
        summary="Lift a halt; others over the same stay.",
        body=stop_shapes.Because,
    ),
    _get(
        *("/releases", _VIEWER, people.list_releases, shapes.ReleaseList),
        summary="What waits or waited for a second person, newest first.",
        query=shapes.ReleaseQuery,
    ),
    _post(
        *("/releases/{id}/confirm", _ADMIN, people.confirm_release, shapes.ReleaseDone),
        summary="Do what somebody else asked for.",
    ),
    _post("/releases/{id}/reject", _ADMIN, people.reject_release, shapes.ReleaseDone, summary="Have it not done."),
    _get("/tokens", _ADMIN, people.list_tokens, shapes.TokenList, summary="Administrators' tokens, oldest first."),
    _post(
        *("/tokens", _ADMIN, people.create_token, shapes.TokenIssued),
        summary="Make a token.",
        body=shapes.CreateToken,
        status=_MADE,
    ),
    _post("/tokens/{id}/revoke", _ADMIN, people.revoke_token, shapes.TokenDone, summary="End a token at once."),
    _get(
        *("/audit", _VIEWER, trail.list_records, shapes.AuditPage),
        summary="What was done, newest first.",
        query=shapes.AuditQuery,
    ),
    _get("/audit/export", _VIEWER, trail.export_records, Lines, summary="The whole trail, as `guard audit export`."),
    _get(
        "/policy",
        _VIEWER,
        status.show_policy,
        policy_shapes.PolicyStatus,
        summary="The policies in force on this node.",
    ),
    _post(
        *("/policy:reload", _ADMIN, status.reload_policy, policy_shapes.ReloadStatus),
        summary="Read the policy files again; what was in force stays if they are not in order.",
    ),
    _get(
        *("/policy/versions", _VIEWER, status.list_policy_versions, policy_shapes.VersionList),
        summary="The policies that were in force, newest first.",
    ),
    _get(
        *("/policy/files", _VIEWER, status.show_policy_files, policy_shapes.PolicyFiles),
        summary="The contents that this node runs, by path.",
    ),
    _post(
        *("/policy:rollback", _ADMIN, status.rollback_policy, policy_shapes.ReloadStatus),
        summary="Put a version in force again; the policy files stay as they are.",
        body=policy_shapes.Rollback,
    ),
    _get(
        "/nodes",
        _VIEWER,
        status.list_nodes,
        shapes.NodeList,
        summary="The processes that serve the keys of the database.",
    ),
    _get(
        *("/bans", _VIEWER, bans.list_bans, ban_shapes.BanList),
        summary="Who is banned or held back, oldest first.",
        query=ban_shapes.BanQuery,
    ),
    _post(
        *("/bans", _OPERATOR, bans.create_ban, ban_shapes.BanDone),
        summary="Ban an address, a network, a key or an account, on all nodes.",
        body=ban_shapes.CreateBan,
        status=_MADE,
    ),
    _get("/bans/{id}", _VIEWER, bans.show_ban, BanView, summary="One ban, and what it was evidence of."),
    _post(
        *("/bans/{id}/lift", _OPERATOR, bans.lift_ban, ban_shapes.BanDone),
        summary="Lift a ban; its scores begin anew.",
        body=stop_shapes.Because,
    ),
    _post(
        *("/bans/{id}/extend", _OPERATOR, bans.extend_ban, ban_shapes.BanDone),
        summary="Have a ban end so long from now.",
        body=ban_shapes.ExtendBan,
    ),
    _get(
        *("/modes", _VIEWER, modes.list_modes, mode_shapes.ModeList),
        summary="Which rules have another mode than their files say, oldest first.",
        query=mode_shapes.ModeQuery,
    ),
    _post(
        *("/modes", _ADMIN, modes.override_mode, mode_shapes.ModeDone),
        summary="Have a rule meant otherwise for a while, on all nodes.",
        body=mode_shapes.OverrideMode,
        status=_MADE,
    ),
    _post(
        *("/modes/{id}/lift", _ADMIN, modes.lift_mode, mode_shapes.ModeDone),
        summary="Have a rule meant again as its file says.",
        body=stop_shapes.Because,
    ),
)
