"""What the admin API takes and gives about bans: see `shapes.py`."""

from typing import Annotated

from msgspec import Meta

from guard.edges.admin.shapes import AnswerShape, RequestShape
from guard.edges.admin.stop_shapes import NeededWhy
from guard.model.abuse import Action, SubjectKind
from guard.service.banning import TERM_MS
from guard.service.enforcement import ForceView
from guard.state.admin_views import BanView

TermMs = Annotated[int, Meta(ge=TERM_MS[0], le=TERM_MS[1], description="How long from now.", examples=[3_600_000])]


class BanQuery(RequestShape, frozen=True, kw_only=True):
    """Which bans."""

    ended: Annotated[bool, Meta(description="Also those that are over or were lifted.")] = False


class CreateBan(RequestShape, frozen=True, kw_only=True):
    """A ban, or a quarantine, whatever policies say. `name` is an address or network, a key's id or an account."""

    kind: SubjectKind
    name: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00]*$", examples=["203.0.113.7"])]
    for_ms: TermMs
    service: Annotated[str, Meta(max_length=64, pattern=r"^[a-z0-9-]*$", description="Empty: all of them.")] = ""
    action: Action = Action.BAN
    why: NeededWhy


class ExtendBan(RequestShape, frozen=True, kw_only=True):
    """When a ban is to end."""

    for_ms: TermMs
    why: NeededWhy


class BanList(AnswerShape, frozen=True, kw_only=True):
    """Bans, oldest first."""

    items: tuple[BanView, ...]


class BanDone(AnswerShape, frozen=True, kw_only=True):
    """The ban as it is now. `nodes` says whether that is in force."""

    ban: BanView
    nodes: ForceView
