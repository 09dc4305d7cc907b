"""The HTTP edge: one ASGI request into Facts, through the line, and on to where it is answered.

The request target is taken exactly as received, and a body that came with its head, from the `guard` extension of our
own server. On other ASGI servers the target is put together from `raw_path` and `query_string`, which hide some of it
(docs/middleware.md).
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from guard.edges.body import BodyReader, Receive, UnverifiedBudget
from guard.edges.exchange import Exchange, Onward
from guard.edges.render import Responder, Scope
from guard.model.facts import Facts
from guard.model.names import RequestId, UnixMs
from guard.service.aftermath import Aftermath
from guard.service.judge import Judge
from guard.service.pressure import Pressure
from guard.wire.http_message import facts_from_http

_NOTHING: Mapping[str, Any] = MappingProxyType({})

_SHED_S = 0.5
"""How long a message that is refused for want of room waits for its answer: else a client that tries again at once
keeps the gateway busy with refusing.
"""


class HttpEdge(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an HTTP exchange needs, joined once. `onward` is where goes what is let through."""

    judge: Judge
    aftermath: Aftermath
    onward: Onward
    budget: UnverifiedBudget
    body_ms_max: int
    now: Callable[[], UnixMs]
    pressure: Pressure

    async def __call__(self, scope: Scope, receive: Receive, responder: Responder, request_id: RequestId) -> None:
        """Judge one request; have it answered, or refuse it; then conclude."""
        started_ns = time.perf_counter_ns()
        self.pressure.in_flight += 1
        try:
            ours = scope.get("extensions", _NOTHING).get("guard", _NOTHING)
            facts = self._facts(scope, ours, request_id)
            reader = BodyReader(receive, self.budget, self.body_ms_max)
            judgement = await self.judge.judge(facts, reader.read)
            exchange = Exchange(
                *(scope, ours.get("connection"), facts, judgement),
                reader=reader,
                responder=responder,
                started_ns=started_ns,
                aftermath=self.aftermath,
            )
            if not judgement.shed:
                await exchange.run(self.onward, self.judge.still)
                return
        finally:
            self.pressure.in_flight -= 1
        await self.shed(exchange)

    async def run(self, exchange: Exchange) -> None:
        """What is left to do for an exchange that was judged."""
        self.pressure.in_flight += 1
        try:
            await exchange.run(self.onward, self.judge.still)
        finally:
            self.pressure.in_flight -= 1

    async def shed(self, exchange: Exchange) -> None:
        """Refuse it for want of room, after a while. It is not in flight meanwhile."""
        await asyncio.sleep(_SHED_S)
        await exchange.run(self.onward, self.judge.still)

    def _facts(self, scope: Scope, ours: Mapping[str, Any], request_id: RequestId) -> Facts:
        client = scope.get("client")
        return facts_from_http(
            method=scope["method"],
            target=ours.get("target") or _target(scope),
            body=ours.get("body"),
            client_certificate=ours.get("client_certificate"),
            fields=scope["headers"],
            peer=client[0] if client else "",
            secure=scope["scheme"] == "https",
            received_at=self.now(),
            request_id=request_id,
        )


def _target(scope: Scope) -> bytes:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path
