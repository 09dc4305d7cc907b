"""What the admin API takes and gives, as types: requests are decoded into them, answers encoded from them, and the
OpenAPI document is generated from them. Times are Unix milliseconds.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from guard.model.admins import ReleaseState, Role
from guard.model.audit import AuditRecord
from guard.model.keys import Bounds, KeyAlgorithm, KeyState
from guard.policy.names import SCOPE_PATTERN
from guard.service.admins import NAME_PATTERN
from guard.service.enforcement import ForceView
from guard.state.admin_views import NodeView, ReleaseView, TokenView
from guard.state.key_rows import KeyView

TIME_MAX = 253_402_300_799_999  # the end of the year 9999
OVERLAP_MS_MAX = 366 * 24 * 3600 * 1000

_NO_NUL = r"^[^\x00]*$"

KeyIdText = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$", description="The key's id.", examples=["gk_desk-7"])
]
AccountText = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$", description="Whose key it is.", examples=["acme"])
]
ScopeText = Annotated[str, Meta(pattern=SCOPE_PATTERN, examples=["read"])]
NetworkText = Annotated[str, Meta(max_length=64, description="A network in CIDR.", examples=["203.0.113.0/24"])]
Why = Annotated[str, Meta(max_length=1000, pattern=_NO_NUL, description="The reason, for the audit trail.")]
TimeMs = Annotated[int, Meta(ge=0, le=TIME_MAX, description="Unix milliseconds.")]
PublicKeyText = Annotated[
    str,
    Meta(max_length=16_384, pattern=_NO_NUL, description="PEM, or raw in base64 or hexadecimal. Never a private key."),
]
Cursor = Annotated[str, Meta(max_length=256, description="`next` of the page before.")]
Count = Annotated[int, Meta(ge=1, le=500, description="How many at most.")]


class RequestShape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all requests share."""


class Nothing(RequestShape, frozen=True, kw_only=True):
    """No parameters."""


class Reason(RequestShape, frozen=True, kw_only=True):
    """Why something is done."""

    why: Why = ""


class _KeyParts(RequestShape, frozen=True, kw_only=True):
    account: AccountText
    scopes: Annotated[tuple[ScopeText, ...], Meta(max_length=64, description="What it may do.")] = ()
    algorithm: KeyAlgorithm = KeyAlgorithm.HMAC_SHA256
    public_key: PublicKeyText | None = None
    networks: Annotated[tuple[NetworkText, ...], Meta(max_length=64, description="From where; [] is anywhere.")] = ()
    bounds: Annotated[Bounds, Meta(description="What it is kept to within its scopes.")] | None = None
    tier: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")] | None = None
    label: Annotated[str, Meta(max_length=128, pattern=_NO_NUL, description="A note that lists show.")] = ""
    expires_at_ms: TimeMs | None = None


class CreateKey(_KeyParts, frozen=True, kw_only=True):
    """A key to be made, active at once. Give its `id` to be able to ask again: a second time is then a conflict."""

    id: KeyIdText | None = None
    why: Why = ""


class ImportedKey(_KeyParts, frozen=True, kw_only=True):
    """A key that was made elsewhere."""

    id: KeyIdText
    secret: Annotated[str, Meta(max_length=1024, pattern=_NO_NUL)] | None = None

    def __repr__(self) -> str:
        return f"ImportedKey({self.id!r})"


class ImportKeys(RequestShape, frozen=True, kw_only=True):
    """Keys to be taken over: all of them, or none."""

    keys: Annotated[tuple[ImportedKey, ...], Meta(min_length=1, max_length=1000)]
    why: Why = ""


class RotateKey(RequestShape, frozen=True, kw_only=True):
    """A successor with the same rights and limits; the old key goes on for the overlap."""

    overlap_ms: Annotated[int, Meta(ge=0, le=OVERLAP_MS_MAX)] = 24 * 3600 * 1000
    public_key: PublicKeyText | None = None
    why: Why = ""


class CreateToken(RequestShape, frozen=True, kw_only=True):
    """An administrator's token. Its name is the actor in the audit trail."""

    name: Annotated[str, Meta(pattern=NAME_PATTERN, examples=["alice"])]
    role: Role
    expires_at_ms: TimeMs | None = None
    why: Why = ""


class Paging(RequestShape, frozen=True, kw_only=True):
    """A page of a list."""

    limit: Count = 100
    cursor: Cursor | None = None


class KeyQuery(Paging, frozen=True, kw_only=True):
    """Which keys."""

    account: AccountText | None = None
    state: KeyState | None = None
    algorithm: KeyAlgorithm | None = None
    scope: ScopeText | None = None
    lineage: KeyIdText | None = None


class AuditQuery(RequestShape, frozen=True, kw_only=True):
    """Which records. `cursor` is `next` of the page before."""

    limit: Count = 100
    cursor: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    kind: Annotated[str, Meta(max_length=64, pattern=_NO_NUL, description="key, admin_token, release, …")] | None = None
    subject: Annotated[str, Meta(max_length=128, pattern=_NO_NUL, description="The id of what was touched.")] | None = (
        None
    )
    actor: Annotated[str, Meta(max_length=128, pattern=_NO_NUL)] | None = None
    command: Annotated[str, Meta(max_length=64, pattern=_NO_NUL)] | None = None
    since_ms: TimeMs | None = None
    until_ms: TimeMs | None = None


class ReleaseQuery(RequestShape, frozen=True, kw_only=True):
    """Which releases."""

    state: ReleaseState | None = None


class AnswerShape(msgspec.Struct, frozen=True, kw_only=True):
    """What all answers share."""


class KeyPage(AnswerShape, frozen=True, kw_only=True):
    """Keys, oldest first. `next` is null on the last page."""

    items: tuple[KeyView, ...]
    next: str | None


class KeyDone(AnswerShape, frozen=True, kw_only=True):
    """The key as it is now. `release` is what waits for a second person; `nodes` says whether it is in force."""

    key: KeyView
    release: ReleaseView | None
    nodes: ForceView


class KeyIssued(AnswerShape, frozen=True, kw_only=True):
    """A new key. `secret` is told here and never again; null for a public key."""

    key: KeyView
    secret: str | None
    release: ReleaseView | None

    def __repr__(self) -> str:
        return f"KeyIssued({self.key.id!r})"


class KeysImported(AnswerShape, frozen=True, kw_only=True):
    """The keys that were taken over. Those that are not active wait for a second person."""

    items: tuple[KeyView, ...]


class KeyDetail(AnswerShape, frozen=True, kw_only=True):
    """One key, and everything that was done to it, oldest first."""

    key: KeyView
    release: ReleaseView | None
    history: tuple[AuditRecord, ...]


class AuditPage(AnswerShape, frozen=True, kw_only=True):
    """Records, newest first. A page may be short, even empty, and yet have a `next`."""

    items: tuple[AuditRecord, ...]
    next: int | None


class TokenList(AnswerShape, frozen=True, kw_only=True):
    """Every token, oldest first."""

    items: tuple[TokenView, ...]


class TokenDone(AnswerShape, frozen=True, kw_only=True):
    """The token as it is now."""

    token: TokenView


class TokenIssued(AnswerShape, frozen=True, kw_only=True):
    """A new token. `secret` is the token itself, told here and never again."""

    token: TokenView
    secret: str

    def __repr__(self) -> str:
        return f"TokenIssued({self.token.id!r})"


class ReleaseList(AnswerShape, frozen=True, kw_only=True):
    """What waits or waited for a second person, newest first."""

    items: tuple[ReleaseView, ...]


class ReleaseDone(AnswerShape, frozen=True, kw_only=True):
    """The release, settled."""

    release: ReleaseView


class NodeList(AnswerShape, frozen=True, kw_only=True):
    """All that serve the keys of the database, oldest first. `revision` is where the keys are."""

    items: tuple[NodeView, ...]
    revision: int
