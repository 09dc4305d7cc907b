"""What stops many at once, as resources: halts, and the end of all keys of a choice.

What can be done, and what is refused, is `service/halting.py` and `service/revoking.py`. Each answer
waits until the change is in force, or patience ends.
"""

from guard.edges.admin.desk import Call, Desk
from guard.edges.admin.shapes import Nothing
from guard.edges.admin.stop_shapes import (
    Because,
    CreateHalt,
    HaltDone,
    HaltList,
    HaltQuery,
    KeysRevoked,
    RevokeKeys,
    WhichHalts,
)
from guard.service.enforcement import force_view
from guard.service.halting import HaltOrder
from guard.service.revoking import Choice
from guard.state.admin_views import halt_view


async def list_halts(desk: Desk, call: Call[HaltQuery, None]) -> HaltList:
    """Halts, oldest first."""
    state = call.query.state
    found = await desk.halting.halts(lifted=state is not WhichHalts.IN_FORCE)
    wanted = (halt for halt in found if state is not WhichHalts.LIFTED or halt.lifted_at is not None)
    return HaltList(items=tuple(map(halt_view, wanted)))


async def create_halt(desk: Desk, call: Call[Nothing, CreateHalt]) -> HaltDone:
    """A halt more."""
    body = call.body
    order = HaltOrder(kind=body.kind, name=body.name, reads_only=body.reads_only, with_cancels=body.with_cancels)
    halt = await desk.halting.halt(order, call.by(body.why))
    return HaltDone(halt=halt_view(halt), nodes=force_view(await desk.halting.in_force(halt.revision)))


async def lift_halt(desk: Desk, call: Call[Nothing, Because]) -> HaltDone:
    """A halt less."""
    [halt] = await desk.halting.lift([call.id], call.by(call.body.why))
    return HaltDone(halt=halt_view(halt), nodes=force_view(await desk.halting.in_force(halt.revision)))


async def revoke_keys(desk: Desk, call: Call[Nothing, RevokeKeys]) -> KeysRevoked:
    """The end of all keys that are chosen, or what that would be."""
    body = call.body
    choice = Choice(
        account=body.account,
        older_than_ms=body.older_than_ms,
        idle_ms=body.idle_ms,
        network=body.network,
        scopes=body.scopes,
    )
    if body.dry_run:
        return KeysRevoked(items=await desk.revoking.chosen(choice), nodes=None)
    revoked = await desk.revoking.revoke(choice, call.by(body.why))
    return KeysRevoked(items=revoked, nodes=force_view(await desk.keyring.in_force(revoked[0].revision)))
