"""Keys as resources. What can be done, and what is refused, is `service/keyring.py`."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import msgspec

from guard.core.lifecycle import KeyCommand
from guard.edges.admin import shapes
from guard.edges.admin.desk import Call, Desk
from guard.edges.admin.shapes import CreateKey, ImportedKey, ImportKeys, KeyQuery, Nothing, Reason, RotateKey
from guard.model.admins import Release
from guard.model.names import KeyId
from guard.service.enforcement import force_view
from guard.service.key_orders import KeyOrder
from guard.service.keyring import Issued
from guard.state.admin_views import ReleaseView, release_view
from guard.state.key_pages import KeyFilter, key_page

Commanding: TypeAlias = Callable[[Desk, Call[Nothing, Reason]], Awaitable[shapes.KeyDone]]


async def list_keys(desk: Desk, call: Call[KeyQuery, None]) -> shapes.KeyPage:
    """Keys, oldest first, a page at a time."""
    query = call.query
    wanted = KeyFilter(
        account=query.account, state=query.state, algorithm=query.algorithm, scope=query.scope, lineage=query.lineage
    )
    after = None if query.cursor is None else KeyId(query.cursor)
    found = await key_page(desk.vault.database, wanted, after=after, count_max=query.limit + 1)
    page = found[: query.limit]
    return shapes.KeyPage(items=page, next=page[-1].id if len(found) > len(page) else None)


async def create_key(desk: Desk, call: Call[Nothing, CreateKey]) -> shapes.KeyIssued:
    """A new key."""
    order = _order(call.body)
    return await _issued(desk, await desk.keyring.create(order, call.by(call.body.why)))


async def import_keys(desk: Desk, call: Call[Nothing, ImportKeys]) -> shapes.KeysImported:
    """Keys from elsewhere."""
    orders = [_order(key) for key in call.body.keys]
    return shapes.KeysImported(items=await desk.keyring.take_over(orders, call.by(call.body.why)))


async def show_key(desk: Desk, call: Call[Nothing, None]) -> shapes.KeyDetail:
    """One key and its history."""
    key, history = await desk.keyring.show(call.id), await desk.keyring.history(call.id)
    release = _view(await desk.keyring.waiting(call.id))
    return shapes.KeyDetail(key=key, release=release, history=history)


async def rotate_key(desk: Desk, call: Call[Nothing, RotateKey]) -> shapes.KeyIssued:
    """A successor."""
    body, by = call.body, call.by(call.body.why)
    issued = await desk.keyring.rotate(call.id, by, overlap_ms=body.overlap_ms, public_key=body.public_key)
    return await _issued(desk, issued)


def commanding(command: KeyCommand) -> Commanding:
    """How a key is given this command. The answer waits until it is in force, or patience ends."""

    async def act(desk: Desk, call: Call[Nothing, Reason]) -> shapes.KeyDone:
        key = await desk.keyring.command(call.id, command, call.by(call.body.why))
        force = await desk.keyring.in_force(key.revision)
        return shapes.KeyDone(key=key, release=_view(await desk.keyring.waiting(key.id)), nodes=force_view(force))

    return act


async def _issued(desk: Desk, issued: Issued) -> shapes.KeyIssued:
    release = _view(await desk.keyring.waiting(issued.key.id))
    return shapes.KeyIssued(key=issued.key, secret=issued.secret, release=release)


def _order(body: CreateKey | ImportedKey) -> KeyOrder:
    given: dict[str, Any] = msgspec.structs.asdict(body)
    given.pop("why", None)
    return KeyOrder(**given)


def _view(release: Release | None) -> ReleaseView | None:
    return None if release is None else release_view(release)
