"""The gateway as an ASGI application: which edge is a connection for, and the one outermost except of the program.

Whatever goes wrong below that is no answer is a bug of ours: it is denied (500), logged with its traceback, counted,
and never forwarded. A scope that no edge knows is refused, not passed by (BYPASSES.md A46).
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog

from guard.edges.body import Receive
from guard.edges.direct import Asked, DirectRoad, raised
from guard.edges.http import HttpEdge
from guard.edges.render import Responder, Scope, Send
from guard.model.decision import Deny
from guard.model.exchange import Sent
from guard.model.names import RequestId
from guard.model.reasons import reason
from guard.wire.problem import GATEWAY

_log = structlog.get_logger()


class Gateway:
    """An ASGI 3 application. `count_failure` is called for each that was our own fault; there must be none."""

    def __init__(
        self,
        http: HttpEdge,
        mint_request_id: Callable[[], RequestId],
        count_failure: Callable[[], object],
        road: DirectRoad | None = None,
    ) -> None:
        self._http = http
        self._road = road
        self._mint_request_id = mint_request_id
        self._count_failure = count_failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope."""
        if scope["type"] != "http":
            await otherwise(scope, receive, send)
            return
        responder, request_id = Responder(send), self._mint_request_id()
        await self._guarded(responder, request_id, scope["method"], self._http(scope, receive, responder, request_id))

    @property
    def direct(self) -> Callable[[Asked], Awaitable[None] | None] | None:
        """The direct road (`direct.py`), if there is one."""
        return None if self._road is None else partial(self._directly, self._road)

    def _directly(self, road: DirectRoad, asked: Asked) -> Awaitable[None] | None:
        """Serve one request of our own server whose body is at hand. None if nothing is left to do but to be called."""
        responder, request_id = Responder(asked.send), self._mint_request_id()
        guarded = partial(self._guarded, responder, request_id, asked.head.verb)
        try:
            rest = road(asked, responder, request_id, guarded)
        except Exception as error:  # noqa: BLE001  # raised again where the one outermost except is
            rest = raised(error)
        return None if rest is None else guarded(rest)

    async def _guarded(self, responder: Responder, request_id: RequestId, verb: str, rest: Awaitable[None]) -> None:
        try:
            await rest
        except Exception:  # the one outermost except: fail closed, say so, go on
            if responder.handed_over:
                raise
            self._count_failure()
            _log.exception("gateway.error", request_id=request_id)
            if not responder.started:
                deny = Deny(code="gateway.error")
                head = verb == "HEAD"
                await responder.refuse(deny, request_id, Sent.UNKNOWN, service=GATEWAY, head=head, close=True)


async def otherwise(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a scope that is no HTTP exchange. Raises RuntimeError for one that nobody knows."""
    match scope["type"]:
        case "lifespan":
            await _lifespan(receive, send)
        case "websocket":
            await send({"type": "websocket.close", "code": reason("route.unknown").ws_close})
        case _:
            raise RuntimeError(f"no edge for scope type {scope['type']!r}")


async def _lifespan(receive: Receive, send: Send) -> None:
    """Starting and stopping is `app`'s; here the server is only told that all is well."""
    message: dict[str, Any] = dict(await receive())
    if message["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})
