"""Administrators' tokens, and what waits for a second person, as resources."""

from guard.edges.admin import shapes
from guard.edges.admin.desk import Call, Desk
from guard.edges.admin.shapes import CreateToken, Nothing, Reason, ReleaseQuery
from guard.state.admin_views import release_view, token_view


async def list_tokens(desk: Desk, _: Call[Nothing, None]) -> shapes.TokenList:
    """Every token."""
    return shapes.TokenList(items=tuple(token_view(token) for token in await desk.admins.all()))


async def create_token(desk: Desk, call: Call[Nothing, CreateToken]) -> shapes.TokenIssued:
    """A new token."""
    body = call.body
    issued = await desk.admins.create(body.name, body.role, call.by(body.why), expires_at_ms=body.expires_at_ms)
    return shapes.TokenIssued(token=token_view(issued.token), secret=issued.text)


async def revoke_token(desk: Desk, call: Call[Nothing, Reason]) -> shapes.TokenDone:
    """The end of a token."""
    return shapes.TokenDone(token=token_view(await desk.admins.revoke(call.id, call.by(call.body.why))))


async def list_releases(desk: Desk, call: Call[ReleaseQuery, None]) -> shapes.ReleaseList:
    """What waits or waited."""
    state = call.query.state
    found = await desk.releases.all()
    return shapes.ReleaseList(items=tuple(release_view(each) for each in found if state in (None, each.state)))


async def confirm_release(desk: Desk, call: Call[Nothing, Reason]) -> shapes.ReleaseDone:
    """What was asked for is done."""
    return shapes.ReleaseDone(release=release_view(await desk.releases.confirm(call.id, call.by(call.body.why))))


async def reject_release(desk: Desk, call: Call[Nothing, Reason]) -> shapes.ReleaseDone:
    """What was asked for is not done."""
    return shapes.ReleaseDone(release=release_view(await desk.releases.reject(call.id, call.by(call.body.why))))
