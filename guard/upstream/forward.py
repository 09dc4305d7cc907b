"""From an Allow to a backend's answer: the only way in which a request leaves guard.

A request is sent a second time in two cases only: not one byte of it was sent, or its route `reads`, its body is at
hand, and the backend closed a connection that had rested without saying anything (RFC 9110 §9.2.2, RFC 9112 §9.3.1). An
order whose bytes went out is never sent again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeAlias

from guard.core.stages import Allow
from guard.model.decision import Deny
from guard.model.facts import Field
from guard.upstream.answer import Answer, UpstreamFailure
from guard.upstream.backend import Backend
from guard.upstream.connection import Connection
from guard.upstream.request import Request, request_from
from guard.upstream.upload import upload

Still: TypeAlias = Callable[[], Deny | None]


async def forward(
    backend: Backend, allow: Allow, fields: Sequence[Field], body: bytes | AsyncIterator[bytes], *, still: Still
) -> Answer | Deny:
    """Send what was allowed, with these fields, and await the head of the answer; small bodies come with it.

    `still` is asked directly before the first byte goes out; a Deny means that none did. Raises UpstreamFailure, or
    whatever `body` raises. When cancelled, the exchange's connection is closed.
    """
    identified = allow.verified.identified
    route = identified.route
    request = request_from(identified.facts, fields, body)
    now_ms = backend.clock()
    end_by_ms = now_ms + route.total_ms
    stranger = allow.verified.record is None
    endpoint = backend.begin(now_ms)
    connection = endpoint.pool.rested(now_ms, stranger=stranger, surely=not route.reads)
    if connection is None:
        connection = await backend.reach(endpoint, end_by_ms, stranger=stranger)
        now_ms = backend.clock()
    denied = _still(still, connection)
    if denied is not None:
        return denied
    content = request.body
    if not isinstance(content, bytes):
        return await _streamed(backend, connection, request, content, end_by_ms)
    respond_by_ms = now_ms + backend.policy.response_ms
    while True:
        asked = connection.ask(request.verb, request.head, content, respond_by_ms=respond_by_ms, end_by_ms=end_by_ms)
        try:
            return await asked
        except UpstreamFailure as failure:
            if not (route.reads and connection.hung_up):  # only what has rested hangs up: there is no third time
                raise
            connection = await _afresh(backend, connection, end_by_ms, still, failure, stranger=stranger)
            respond_by_ms = _respond_by_ms(backend)
        except asyncio.CancelledError:
            connection.withdraw(asked)
            raise


async def _afresh(
    backend: Backend, left: Connection, end_by_ms: int, still: Still, failure: UpstreamFailure, *, stranger: bool
) -> Connection:
    """A fresh connection for the second sending. Where that cannot be, the first failure stands."""
    try:
        connection = await backend.reach_afresh(left, end_by_ms, stranger=stranger)
    except UpstreamFailure:
        raise failure from None
    if _still(still, connection) is not None:
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
