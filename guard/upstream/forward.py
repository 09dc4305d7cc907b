"""From an Allow to a backend's answer: the only way in which a request leaves guard.

A request is sent a second time in two cases only: not one byte of it was sent, or its route `reads`, its body is at
hand, and the backend closed a connection that had rested without saying anything (RFC 9110 §9.2.2, RFC 9112 §9.3.1). An
order whose bytes went out is never sent again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeAlias

import msgspec

from guard.core.stages import Allow
from guard.model.decision import Deny
from guard.model.facts import Field
from guard.upstream.answer import Answer, UpstreamFailure
from guard.upstream.backend import Backend
from guard.upstream.connection import Connection, Reply
from guard.upstream.request import Request, request_from
from guard.upstream.upload import upload

Still: TypeAlias = Callable[[], Deny | None]


class Sending(msgspec.Struct, kw_only=True, gc=False):
    """A request that was sent, with what a second sending of it would need."""

    backend: Backend
    connection: Connection
    request: Request
    body: bytes
    reads: bool
    stranger: bool
    end_by_ms: int
    still: Still


async def forward(
    backend: Backend, allow: Allow, fields: Sequence[Field], body: bytes | AsyncIterator[bytes], *, still: Still
) -> Answer | Deny:
    """Send what was allowed, with these fields, and await the head of the answer; small bodies come with it.

    `still` is asked directly before the first byte goes out; a Deny means that none did. Raises UpstreamFailure, or
    whatever `body` raises. When cancelled, the exchange's connection is closed.
    """
    route = allow.route
    request = request_from(allow.facts, fields, body)
    now_ms = backend.clock()
    end_by_ms = now_ms + route.total_ms
    stranger = allow.record is None
    endpoint = backend.begin(now_ms)
    connection = endpoint.pool.rested(now_ms, stranger=stranger, surely=not route.reads)
    if connection is None:
        connection = await backend.reach(endpoint, end_by_ms, stranger=stranger)
    denied = _still(still, connection)
    if denied is not None:
        return denied
    content = request.body
    if not isinstance(content, bytes):
        return await _streamed(backend, connection, request, content, end_by_ms)
    sending = Sending(
        backend=backend,
        connection=connection,
        request=request,
        body=content,
        reads=route.reads,
        stranger=stranger,
        end_by_ms=end_by_ms,
        still=still,
    )
    return await answer_to(sending, _sent(sending))


def forward_at_once(
    backend: Backend, allow: Allow, fields: Sequence[Field], body: bytes, *, still: Still, reply: Reply
) -> Sending | None:
    """The same where nothing has to be waited for but the answer, which goes to `reply`. None if it cannot be so.

    Then not a byte was sent, and nobody was asked: `forward` is the way. A failure is not the last word: `answer_to`.
    """
    now_ms, route, stranger = backend.clock(), allow.route, allow.record is None
    request = request_from(allow.facts, fields, body)
    connection = backend.at_rest(now_ms, stranger=stranger, surely=not route.reads)
    if connection is None or _still(still, connection) is not None:
        return None
    sending = Sending(
        backend=backend,
        connection=connection,
        request=request,
        body=body,
        reads=route.reads,
        stranger=stranger,
        end_by_ms=now_ms + route.total_ms,
        still=still,
    )
    _send(sending, reply, now_ms)
    return sending


async def answer_to(sending: Sending, asked: asyncio.Future[Answer]) -> Answer:
    """Await the answer to what was sent; send it again where that is allowed."""
    while True:
        try:
            return await asked
        except UpstreamFailure as failure:
            if not (sending.reads and sending.connection.hung_up):  # only what has rested: there is no third time
                raise
            sending.connection = await _afresh(sending, failure)
            asked = _sent(sending)
        except asyncio.CancelledError:
            sending.connection.withdraw(asked)
            raise


def _sent(sending: Sending) -> asyncio.Future[Answer]:
    asked: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    _send(sending, asked, sending.backend.clock())
    return asked


def _send(sending: Sending, reply: Reply, now_ms: int) -> None:
    request = sending.request
    sending.connection.ask_for(
        reply,
        request.verb,
        request.head,
        sending.body,
        respond_by_ms=now_ms + sending.backend.policy.response_ms,
        end_by_ms=sending.end_by_ms,
    )


async def _afresh(sending: Sending, failure: UpstreamFailure) -> Connection:
    """A fresh connection for the second sending. Where that cannot be, the first failure stands."""
    try:
        connection = await sending.backend.reach_afresh(
            sending.connection, sending.end_by_ms, stranger=sending.stranger
        )
    except UpstreamFailure:
        raise failure from None
    if _still(sending.still, connection) is not None:
        raise failure
    return connection


async def _streamed(
    backend: Backend, connection: Connection, request: Request, body: AsyncIterator[bytes], end_by_ms: int
) -> Answer:
    asked = connection.ask(request.verb, request.head, b"", respond_by_ms=end_by_ms, end_by_ms=end_by_ms, more=True)
    answered = False
    try:
        answer = await upload(connection, asked, body, request.content_bytes, lambda: _respond_by_ms(backend))
        answered = True
    finally:
        if not answered:
            connection.withdraw(asked)
    return answer


def _still(still: Still, connection: Connection) -> Deny | None:
    """Ask; unless the answer is to go ahead, the connection goes back unused."""
    ahead = False
    try:
        denied = still()
        ahead = denied is None
    finally:
        if not ahead:
            connection.home.came_back(connection, clean=True)
    return denied


def _respond_by_ms(backend: Backend) -> int:
    return backend.clock() + backend.policy.response_ms
