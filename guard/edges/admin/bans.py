"""Bans, as resources. What can be done, and what is refused, is `service/banning.py`.

Each answer waits until the change is in force, or patience ends.
"""

from guard.edges.admin.ban_shapes import BanDone, BanList, BanQuery, CreateBan, ExtendBan
from guard.edges.admin.desk import Call, Desk
from guard.edges.admin.shapes import Nothing
from guard.edges.admin.stop_shapes import Because
from guard.model.bans import Ban
from guard.service.banning import BanOrder
from guard.service.enforcement import force_view
from guard.state.admin_views import BanView, ban_view


async def list_bans(desk: Desk, call: Call[BanQuery, None]) -> BanList:
    """Bans, oldest first."""
    return BanList(items=tuple(map(ban_view, await desk.banning.bans(ended=call.query.ended))))


async def show_ban(desk: Desk, call: Call[Nothing, None]) -> BanView:
    """One of them."""
    return ban_view(await desk.banning.find(call.id))


async def create_ban(desk: Desk, call: Call[Nothing, CreateBan]) -> BanDone:
    """A ban more."""
    body = call.body
    order = BanOrder(kind=body.kind, name=body.name, for_ms=body.for_ms, service=body.service, action=body.action)
    return await _done(desk, await desk.banning.add(order, call.by(body.why)))


async def lift_ban(desk: Desk, call: Call[Nothing, Because]) -> BanDone:
    """A ban less."""
    [ban] = await desk.banning.lift([call.id], call.by(call.body.why))
    return await _done(desk, ban)


async def extend_ban(desk: Desk, call: Call[Nothing, ExtendBan]) -> BanDone:
    """A ban that ends at another time."""
    return await _done(desk, await desk.banning.extend(call.id, call.body.for_ms, call.by(call.body.why)))


async def _done(desk: Desk, ban: Ban) -> BanDone:
    return BanDone(ban=ban_view(ban), nodes=force_view(await desk.banning.in_force(ban.revision)))
