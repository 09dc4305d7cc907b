"""An exchange that a backend answers: forwarded, and the answer passed on as it comes.

An answer that breaks off upstream breaks off here too: a part is never presented as the whole.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from guard.core.stages import Allow
from guard.edges.body import ClientBroke
from guard.edges.exchange import Exchange, Peer, Still
from guard.model.decision import Deny
from guard.model.exchange import Sent
from guard.model.policy import Service
from guard.service.aftermath import Outcome
from guard.signing.assertion import AssertionKey
from guard.upstream.answer import Answer, UpstreamFailure
from guard.upstream.backend import Backend
from guard.upstream.connection import Reply
from guard.upstream.forward import Sending, answer_to, forward, forward_at_once

_TRY_AGAIN_MS = 1000
_LEFT = "the client left"


class Backends:
    """The backends of all services, found by `backend_of`. `key` signs assertions, if some policy asks for them."""

    def __init__(self, backend_of: Callable[[Service], Backend], key: AssertionKey | None) -> None:
        self._backend_of = backend_of
        self.key = key

    def strain(self, service: Service) -> int:
        """How many wait for its backend."""
        return self._backend_of(service).strain()

    def obstacle(self, service: Service) -> str | None:
        """What its backend says of itself."""
        return self._backend_of(service).obstacle()

    async def carry(self, exchange: Exchange, allow: Allow, still: Still) -> None:
        """Forward it to its service's backend, answer the client, and conclude."""
        fields, body = exchange.fields(allow, self.key), exchange.body(allow)
        exchange.asked()
        await self._conclude(exchange, allow, forward(self.of(allow), allow, fields, body, still=lambda: still(allow)))

    def carry_at_once(
        self, exchange: Exchange, allow: Allow, body: bytes, still: Still, reply: Reply
    ) -> Sending | None:
        """Forward it, if that needs no waiting: its answer goes to `reply`. None if not a byte was sent."""
        fields = exchange.fields(allow, self.key)
        exchange.asked()
        return forward_at_once(self.of(allow), allow, fields, body, still=lambda: still(allow), reply=reply)

    async def carry_on(self, exchange: Exchange, allow: Allow, sending: Sending, asked: asyncio.Future[Answer]) -> None:
        """What `carry_at_once` began, where its answer was not the end of it: as `carry` does."""
        await self._conclude(exchange, allow, answer_to(sending, asked))

    async def give_up(self, exchange: Exchange) -> None:
        """What `carry_at_once` began is of no use any more: its client has left, and the backend was told."""
        await exchange.conclude(await _given_up(exchange))

    def of(self, allow: Allow) -> Backend:
        """The backend of its service."""
        return self._backend_of(allow.service)

    async def _conclude(self, exchange: Exchange, allow: Allow, answering: Coroutine[Any, Any, Answer | Deny]) -> None:
        """What only reads is given up when its client leaves; everything else is finished."""
        if allow.route.reads and exchange.peer is not None:
            await exchange.conclude(await _answered_while_wanted(exchange, exchange.peer, allow, answering))
        else:
            await exchange.conclude(await _answered(exchange, allow, answering))


async def _answered_while_wanted(
    exchange: Exchange, peer: Peer, allow: Allow, answering: Coroutine[Any, Any, Answer | Deny]
) -> Outcome:
    task = asyncio.current_task()
    if task is None:
        return await _answered(exchange, allow, answering)
    peer.left = task.cancel
    try:
        return await _answered(exchange, allow, answering)
    except asyncio.CancelledError:
        if not _has_left(peer):  # it is not the client who wants this to end
            raise
        task.uncancel()
        return await _given_up(exchange)
    finally:
        peer.left = None


def _has_left(peer: Peer) -> bool:
    """Whether it was called what was to be called then."""
    return peer.left is None


async def _given_up(exchange: Exchange) -> Outcome:
    exchange.heard()
    if exchange.responder.started:
        return exchange.outcome(Sent.YES, _LEFT)
    return await _failed(exchange, "request.incomplete", Sent.UNKNOWN, _LEFT)


async def _answered(exchange: Exchange, allow: Allow, answering: Coroutine[Any, Any, Answer | Deny]) -> Outcome:
    try:
        answer = await answering
    except UpstreamFailure as failure:
        exchange.heard()
        return await _failed(exchange, _whose(exchange, failure), failure.sent, failure.source)
    except ClientBroke as broke:
        return await _failed(exchange, broke.code, Sent.UNKNOWN, "the client broke off its body")
    if isinstance(answer, Deny):
        return await exchange.deny(answer)
    try:
        await _relay(exchange, allow, answer)
    except UpstreamFailure as failure:
        exchange.heard()
        if not exchange.responder.started:
            return await _failed(exchange, failure.code, Sent.YES, failure.source)
        return exchange.outcome(Sent.YES, failure.source)
    exchange.heard()
    return exchange.outcome(Sent.YES)


async def _failed(exchange: Exchange, code: str, sent: Sent, source: str) -> Outcome:
    """Trying again is advised only where nothing was sent: elsewhere it could place an order twice."""
    return await exchange.fail(Deny(code=code, wait_ms=_TRY_AGAIN_MS if sent is Sent.NO else None), sent, source)


def _whose(exchange: Exchange, failure: UpstreamFailure) -> str:
    """A backend cannot be late while its client is still sending."""
    waiting = exchange.facts.body is None and not exchange.reader.finished
    return "request.timeout" if waiting and failure.code == "upstream.timeout" else failure.code


async def _relay(exchange: Exchange, allow: Allow, answer: Answer) -> None:
    """Pass the answer on, beginning when there is something of its body. Raises UpstreamFailure if it breaks off."""
    if isinstance(answer.body, bytes):
        await exchange.start(allow, answer.status, answer.fields)
        await exchange.responder.content(answer.body, more=False)
        return
    try:
        first = await anext(answer.body, b"")
        await exchange.start(allow, answer.status, answer.fields)
        await exchange.responder.content(first, more=True)
        async for chunk in answer.body:
            await exchange.responder.content(chunk, more=True)
        await exchange.responder.content(b"", more=False)
    finally:
        await answer.aclose()
