"""Is this node alive, should it get traffic, what has it counted? Served on a listener of its own, never on the data
plane.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from guard.edges.body import Receive
from guard.edges.render import Responder, Scope, Send
from guard.telemetry.exposition import CONTENT_TYPE

_JSON: Final = b"application/json"
_ERROR: Final = b'{"error":"GET /livez, /readyz or /metrics"}'


class Readiness(msgspec.Struct, frozen=True):
    """Why the node should get no traffic yet, or an empty tuple; and what an operator must know though it serves.

    `policy` is the digest in force.
    """

    policy: str
    reasons: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()


class Health:
    """An ASGI 3 application with three resources: `/livez` answers while the event loop turns, and asks nobody;
    `/readyz` when ready; `/metrics` with what `metrics` makes, in Prometheus' text format.
    """

    def __init__(self, readiness: Callable[[], Readiness], metrics: Callable[[], bytes]) -> None:
        self._readiness = readiness
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything but these three GETs is 404."""
        if scope["type"] != "http":
            await receive()
            return
        status, media_type, body = self._answer(scope["method"], scope["path"])
        responder = Responder(send)
        fields = ((b"content-type", media_type), (b"content-length", str(len(body)).encode()))
        await responder.start(status, (*fields, (b"cache-control", b"no-store")))
        await responder.content(b"" if scope["method"] == "HEAD" else body, more=False)

    def _answer(self, method: str, path: str) -> tuple[int, bytes, bytes]:
        if method not in {"GET", "HEAD"}:
            return 405, _JSON, _ERROR
        match path:
            case "/livez":
                return 200, _JSON, b'{"alive":true}'
            case "/readyz":
                return self._ready()
            case "/metrics":
                return 200, CONTENT_TYPE, self._metrics()
            case _:
                return 404, _JSON, _ERROR

    def _ready(self) -> tuple[int, bytes, bytes]:
        readiness = self._readiness()
        ready = not readiness.reasons
        told = {
            "ready": ready,
            "policy": readiness.policy,
            "waiting_for": readiness.reasons,
            "degraded": readiness.degraded,
        }
        return 200 if ready else 503, _JSON, msgspec.json.encode(told)
