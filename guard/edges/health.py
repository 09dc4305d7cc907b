"""Is this process alive, and should it get traffic? Served on a listener of its own, never on the data plane."""

from collections.abc import Callable
from typing import Any

import msgspec

from guard.edges.body import Receive
from guard.edges.render import Responder, Scope, Send


class Readiness(msgspec.Struct, frozen=True):
    """Why the process should get no traffic yet, or an empty tuple. `policy` is the digest in force."""

    policy: str
    reasons: tuple[str, ...] = ()


class Health:
    """An ASGI 3 application with two resources: `/livez` answers while the event loop turns, `/readyz` when ready."""

    def __init__(self, readiness: Callable[[], Readiness]) -> None:
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything but these two GETs is 404."""
        if scope["type"] != "http":
            await receive()
            return
        status, content = self._answer(scope["method"], scope["path"])
        body = msgspec.json.encode(content)
        responder = Responder(send)
        fields = ((b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()))
        await responder.start(status, (*fields, (b"cache-control", b"no-store")))
        await responder.content(b"" if scope["method"] == "HEAD" else body, more=False)

    def _answer(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        if method not in {"GET", "HEAD"}:
            return 405, {"error": "GET /livez or GET /readyz"}
        if path == "/livez":
            return 200, {"alive": True}
        if path == "/readyz":
            readiness = self._readiness()
            ready = not readiness.reasons
            return 200 if ready else 503, {"ready": ready, "policy": readiness.policy, "waiting_for": readiness.reasons}
        return 404, {"error": "GET /livez or GET /readyz"}
