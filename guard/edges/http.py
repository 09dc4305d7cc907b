"""The HTTP edge: one ASGI request into Facts, through the line, to the backend and back.

The request target is taken exactly as received: from the `guard` extension of our own server, or put together from
`raw_path` and `query_string` on other ASGI servers, which hide some of it (docs/http.md).
"""

import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

import msgspec

from guard.edges.body import BodyReader, Receive, UnverifiedBudget
from guard.edges.exchange import Exchange
from guard.edges.render import Responder
from guard.model.facts import Facts
from guard.model.names import RequestId, UnixMs
from guard.service.aftermath import Aftermath
from guard.service.judge import Judge
from guard.upstream.pool import Pool
from guard.wire.http_message import facts_from_http

Scope: TypeAlias = MutableMapping[str, Any]


class HttpEdge(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an HTTP exchange needs, joined once. `pools` are the backends' connections, by service."""

    judge: Judge
    aftermath: Aftermath
    pools: Mapping[str, Pool]
    budget: UnverifiedBudget
    body_ms_max: int
    now: Callable[[], UnixMs]

    async def __call__(self, scope: Scope, receive: Receive, responder: Responder, request_id: RequestId) -> None:
        """Judge one request; forward and answer it, or refuse it; then conclude."""
        started_ns = time.perf_counter_ns()
        facts = self._facts(scope, request_id)
        reader = BodyReader(receive, self.budget, self.body_ms_max)
        judgement = await self.judge.judge(facts, reader.read)
        exchange = Exchange(facts, judgement, reader, responder, started_ns)
        await exchange.run(self.pools, self.judge.still, self.aftermath)

    def _facts(self, scope: Scope, request_id: RequestId) -> Facts:
        client = scope.get("client")
        return facts_from_http(
            method=scope["method"].encode("latin-1"),
            target=_target(scope),
            fields=scope["headers"],
            peer=client[0] if client else "",
            secure=scope["scheme"] == "https",
            received_at=self.now(),
            request_id=request_id,
        )


def _target(scope: Scope) -> bytes:
    extension = scope.get("extensions", {}).get("guard")
    if extension is not None:
        target: bytes = extension["target"]
        return target
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path
