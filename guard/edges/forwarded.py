"""An exchange that a backend answers: forwarded, and the answer passed on as it comes.

An answer that breaks off upstream breaks off here too: a part is never presented as the whole.
"""

import asyncio
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from guard.core.stages import Allow
from guard.edges.body import ClientBroke
from guard.edges.exchange import Exchange, Still
from guard.model.decision import Deny
from guard.model.exchange import Sent
from guard.service.aftermath import Outcome
from guard.signing.assertion import AssertionKey
from guard.upstream.answer import Answer, UpstreamFailure
from guard.upstream.backend import Backend
from guard.upstream.forward import forward

_TRY_AGAIN_MS = 1000
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_LEFT = "the client left"


class Backends:
    """The backends of all services. `key` signs assertions, if some policy asks for them."""

    def __init__(self, backends: Mapping[str, Backend], key: AssertionKey | None) -> None:
        self._backends = backends
        self._key = key

    def strain(self, service: str) -> int:
        """How many wait for its backend."""
        return self._backends[service].strain()

    def obstacle(self, service: str) -> str | None:
        """What its backend says of itself."""
        return self._backends[service].obstacle()

    async def carry(self, exchange: Exchange, allow: Allow, still: Still) -> None:
        """Forward it to its service's backend, answer the client, and conclude.

        What only reads is given up when its client leaves; everything else is finished.
        """
        if allow.route.reads:
            await exchange.conclude(await self._forwarded_while_wanted(exchange, allow, still))
        else:
            await exchange.conclude(await self._forwarded(exchange, allow, still))

    async def _forwarded_while_wanted(self, exchange: Exchange, allow: Allow, still: Still) -> Outcome:
        peer = exchange.scope.get("extensions", _NOTHING).get("guard", _NOTHING).get("connection")
        task = asyncio.current_task()
        if peer is None or task is None:  # another server than ours
            return await self._forwarded(exchange, allow, still)
        begun_ns = time.perf_counter_ns()
        peer.left = task.cancel
        try:
            return await self._forwarded(exchange, allow, still)
        except asyncio.CancelledError:
            if peer.left is not None:  # it is not the client who wants this to end
                raise
            task.uncancel()
            exchange.upstream_ns = time.perf_counter_ns() - begun_ns
            if exchange.responder.started:
                return exchange.outcome(Sent.YES, _LEFT)
            return await _failed(exchange, "request.incomplete", Sent.UNKNOWN, _LEFT)
        finally:
            peer.left = None

    async def _forwarded(self, exchange: Exchange, allow: Allow, still: Still) -> Outcome:
        backend = self._backends[allow.service.name]
        fields, body = exchange.fields(allow, self._key), exchange.body(allow)
        asked_ns = time.perf_counter_ns()
        try:
            answer = await forward(backend, allow, fields, body, still=lambda: still(allow))
        except UpstreamFailure as failure:
            exchange.upstream_ns = time.perf_counter_ns() - asked_ns
            return await _failed(exchange, _whose(exchange, failure), failure.sent, failure.source)
        except ClientBroke as broke:
            return await _failed(exchange, broke.code, Sent.UNKNOWN, "the client broke off its body")
        if isinstance(answer, Deny):
            return await exchange.deny(answer)
        try:
            await _relay(exchange, allow, answer)
        except UpstreamFailure as failure:
            exchange.upstream_ns = time.perf_counter_ns() - asked_ns
            if not exchange.responder.started:
                return await _failed(exchange, failure.code, Sent.YES, failure.source)
            return exchange.outcome(Sent.YES, failure.source)
        exchange.upstream_ns = time.perf_counter_ns() - asked_ns
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
