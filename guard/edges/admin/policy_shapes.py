"""What the admin API tells of the policies in force, and of having them read again. See `shapes.py`."""

from typing import Annotated

from msgspec import Meta

from guard.edges.admin.shapes import AnswerShape, Reason
from guard.model.policy_versions import PolicyVersion
from guard.state.admin_views import OverrideView

DigestText = Annotated[str, Meta(pattern=r"^[0-9a-f]{7}$", description="What names a version.", examples=["3f2a91c"])]


class RouteStatus(AnswerShape, frozen=True, kw_only=True):
    """One route of a policy."""

    route: str
    scope: str | None
    group: str | None
    schemes: tuple[str, ...]
    reads: bool
    critical: bool
    cost: int


class ServiceStatus(AnswerShape, frozen=True, kw_only=True):
    """One policy that is in force."""

    service: str
    mode: str
    digest: str
    hosts: tuple[str, ...]
    prefix: str
    backends: tuple[str, ...]
    routes: tuple[RouteStatus, ...]


class PolicyFault(AnswerShape, frozen=True, kw_only=True):
    """What is wrong in a policy file; `line` and `column` are 0 where the whole file is meant."""

    code: str
    severity: str
    message: str
    file: str
    line: int
    column: int
    help: str


class ReloadStatus(AnswerShape, frozen=True, kw_only=True):
    """What became of a reload: `swapped`, `unchanged`, `refused`, or `waiting` for a second person to confirm
    `release`. `digest` is in force after it.
    """

    outcome: str
    at_ms: int
    by: str
    why: str
    digest: str
    refused_for: str
    release: str
    diagnostics: tuple[PolicyFault, ...]


class PolicyStatus(AnswerShape, frozen=True, kw_only=True):
    """The policies in force on this node; `overrides` are the modes of rules that are others for a while."""

    digest: str
    loaded_at_ms: int
    stale: bool
    last_reload: ReloadStatus | None
    dual_control: tuple[str, ...]
    changes_by_two: bool
    services: tuple[ServiceStatus, ...]
    overrides: tuple[OverrideView, ...]


class PolicyFiles(AnswerShape, frozen=True, kw_only=True):
    """The policy files in force, by path; bytes that are no UTF-8 are replaced."""

    digest: str
    files: dict[str, str]


class VersionList(AnswerShape, frozen=True, kw_only=True):
    """The policies that were in force, newest first. `at` is in Unix milliseconds."""

    items: tuple[PolicyVersion, ...]


class Rollback(Reason, frozen=True, kw_only=True):
    """Which version is to be in force again."""

    digest: DigestText
