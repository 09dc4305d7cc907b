"""Overridden modes, as resources. What can be done, and what is refused, is `service/overriding.py`.

Each answer waits until the change is in force, or patience ends.
"""

from guard.edges.admin.desk import Call, Desk
from guard.edges.admin.mode_shapes import ModeDone, ModeList, ModeQuery, OverrideMode
from guard.edges.admin.shapes import Nothing
from guard.edges.admin.stop_shapes import Because
from guard.model.overrides import Override
from guard.service.enforcement import force_view
from guard.service.overriding import OverrideOrder
from guard.state.admin_views import override_view


async def list_modes(desk: Desk, call: Call[ModeQuery, None]) -> ModeList:
    """Overrides, oldest first."""
    return ModeList(items=tuple(map(override_view, await desk.overriding.overrides(ended=call.query.ended))))


async def override_mode(desk: Desk, call: Call[Nothing, OverrideMode]) -> ModeDone:
    """An override more, in place of an earlier one over the same."""
    body = call.body
    order = OverrideOrder(rule=body.rule, mode=body.mode, for_ms=body.for_ms, service=body.service)
    return await _done(desk, await desk.overriding.override(order, call.by(body.why)))


async def lift_mode(desk: Desk, call: Call[Nothing, Because]) -> ModeDone:
    """An override less."""
    [override] = await desk.overriding.lift([call.id], call.by(call.body.why))
    return await _done(desk, override)


async def _done(desk: Desk, override: Override) -> ModeDone:
    nodes = force_view(await desk.overriding.in_force(override.revision))
    return ModeDone(override=override_view(override), nodes=nodes)
