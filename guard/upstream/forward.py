"""From an Allow to a backend's answer: the only way in which a request leaves guard.

A request is sent a second time in two cases only: not one byte of it was sent, or its route `reads`, its body is at
hand, and the backend closed a connection that had rested without saying anything (RFC 9110 §9.2.2, RFC 9112 §9.3.1). An
order whose bytes went out is never sent again.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeAlias

from guard.core.stages import Allow
from guard.model.decision import Deny
from guard.model.facts import Field
from guard.upstream.answer import Answer, UpstreamFailure
from guard.upstream.connection import Connection
from guard.upstream.pool import Pool
from guard.upstream.request import Request, request_from
from guard.upstream.upload import upload

Still: TypeAlias = Callable[[], Deny | None]


async def forward(
    pool: Pool, allow: Allow, fields: Sequence[Field], body: bytes | AsyncIterator[bytes], *, still: Still
) -> Answer | Deny:
    """Send what was allowed, with these fields, and await the head of the answer; small bodies come with it.

    `still` is asked directly before the first byte goes out; a Deny means that none did. Raises UpstreamFailure, or
    whatever `body` raises. When cancelled, the exchange's connection is closed.
    """
    route = allow.route
    request = request_from(allow.facts, fields, body)
    end_by_ms = pool.clock() + route.total_ms
    connection = pool.rested(surely=not route.reads) or await pool.take(end_by_ms)
    denied = _still(still, pool, connection)
    if denied is not None:
        return denied
    try:
        return await _exchange(pool, connection, request, end_by_ms)
    except UpstreamFailure as failure:
        if not (route.reads and connection.hung_up and isinstance(request.body, bytes)):
            raise
        return await _once_more(pool, request, end_by_ms, still, failure)


async def _once_more(pool: Pool, request: Request, end_by_ms: int, still: Still, failure: UpstreamFailure) -> Answer:
    """The second and last time, on a fresh connection. Where that cannot be, the first failure stands."""
    try:
        connection = await pool.take(end_by_ms, fresh=True)
    except UpstreamFailure:
        raise failure from None
    if _still(still, pool, connection) is not None:
        raise failure
    return await _exchange(pool, connection, request, end_by_ms)


def _still(still: Still, pool: Pool, connection: Connection) -> Deny | None:
    """Ask; unless the answer is to go ahead, the connection goes back unused."""
    ahead = False
    try:
        denied = still()
        ahead = denied is None
    finally:
        if not ahead:
            pool.came_back(connection, clean=True)
    return denied


async def _exchange(pool: Pool, connection: Connection, request: Request, end_by_ms: int) -> Answer:
    body = request.body
    streams = not isinstance(body, bytes)
    asked = connection.ask(
        request.verb,
        request.head,
        body if isinstance(body, bytes) else b"",
        respond_by_ms=end_by_ms if streams else _respond_by_ms(pool),
        end_by_ms=end_by_ms,
        more=streams,
    )
    answered = False
    try:
        if isinstance(body, bytes):
            answer = await asked
        else:
            answer = await upload(connection, asked, body, request.content_bytes, lambda: _respond_by_ms(pool))
        answered = True
    finally:
        if not answered:
            connection.withdraw(asked)
    return answer


def _respond_by_ms(pool: Pool) -> int:
    return pool.clock() + pool.policy.response_ms
