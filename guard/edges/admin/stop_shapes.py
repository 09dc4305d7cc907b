"""What the admin API takes and gives where many are stopped at once: see `shapes.py`."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from guard.edges.admin.shapes import TIME_MAX, AccountText, AnswerShape, NetworkText, RequestShape, ScopeText
from guard.model.halts import HaltKind
from guard.service.enforcement import ForceView
from guard.state.admin_views import HaltView
from guard.state.key_rows import KeyView

NeededWhy = Annotated[
    str,
    Meta(min_length=1, max_length=1000, pattern=r"^[^\x00]*$", description="The reason, for the audit trail. Needed."),
]


class WhichHalts(StrEnum):
    """Those in force, those that were lifted, or all there ever were."""

    IN_FORCE = "in_force"
    LIFTED = "lifted"
    ANY = "any"


class HaltQuery(RequestShape, frozen=True, kw_only=True):
    """Which halts."""

    state: WhichHalts = WhichHalts.IN_FORCE


class Because(RequestShape, frozen=True, kw_only=True):
    """Why something is done that is not done without a reason."""

    why: NeededWhy


class CreateHalt(RequestShape, frozen=True, kw_only=True):
    """A halt: nothing passes, but what is said to. `name` is an account, a key's id or a service; none for `all`."""

    kind: HaltKind
    name: Annotated[str, Meta(max_length=128, pattern=r"^[^\x00]*$", examples=["acme"])] = ""
    reads_only: Annotated[bool, Meta(description="Routes that only read pass.")] = False
    with_cancels: Annotated[bool, Meta(description="Routes of `priority: critical` pass.")] = False
    why: NeededWhy


class RevokeKeys(RequestShape, frozen=True, kw_only=True):
    """Keys to be ended: those for which all that is given holds. By account, age, idle time or network at least."""

    account: AccountText | None = None
    older_than_ms: Annotated[int, Meta(ge=0, le=TIME_MAX, description="Made longer ago.")] | None = None
    idle_ms: Annotated[int, Meta(ge=0, le=TIME_MAX, description="Unused so long, in no network.")] | None = None
    network: NetworkText | None = None
    scopes: Annotated[tuple[ScopeText, ...], Meta(max_length=64, description="With one of these.")] = ()
    dry_run: Annotated[bool, Meta(description="Tell which keys, and end none.")] = False
    why: NeededWhy


class HaltList(AnswerShape, frozen=True, kw_only=True):
    """Halts, oldest first."""

    items: tuple[HaltView, ...]


class HaltDone(AnswerShape, frozen=True, kw_only=True):
    """The halt as it is now. `nodes` says whether that is in force."""

    halt: HaltView
    nodes: ForceView


class KeysRevoked(AnswerShape, frozen=True, kw_only=True):
    """The keys that were ended, or would be: then `nodes` is null, else it says whether that is in force."""

    items: tuple[KeyView, ...]
    nodes: ForceView | None
