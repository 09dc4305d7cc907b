"""What the admin API takes and gives about overridden modes: see `shapes.py`."""

from typing import Annotated

from msgspec import Meta

from guard.edges.admin.shapes import AnswerShape, RequestShape
from guard.edges.admin.stop_shapes import NeededWhy
from guard.model.rules import Mode
from guard.service.enforcement import ForceView
from guard.service.overriding import TERM_MS
from guard.state.admin_views import OverrideView

TermMs = Annotated[int, Meta(ge=TERM_MS[0], le=TERM_MS[1], description="How long from now.", examples=[3_600_000])]


class ModeQuery(RequestShape, frozen=True, kw_only=True):
    """Which overrides."""

    ended: Annotated[bool, Meta(description="Also those that are over or were lifted.")] = False


class OverrideMode(RequestShape, frozen=True, kw_only=True):
    """A rule (`limits.NAME`, `client_ip`, `abuse.NAME`) or section (`limits`, `abuse`), and its mode for a while."""

    rule: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00]*$", examples=["limits.weight"])]
    mode: Mode
    for_ms: TermMs
    service: Annotated[str, Meta(max_length=64, pattern=r"^[a-z0-9-]*$", description="Empty: all of them.")] = ""
    why: NeededWhy


class ModeList(AnswerShape, frozen=True, kw_only=True):
    """Overrides, oldest first."""

    items: tuple[OverrideView, ...]


class ModeDone(AnswerShape, frozen=True, kw_only=True):
    """The override as it is now. `nodes` says whether that is in force."""

    override: OverrideView
    nodes: ForceView
