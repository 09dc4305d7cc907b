"""What reached the demo exchange: tests that a denied request reaches no backend read it."""

from collections import deque

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES_MAX = 64 * 1024


class Executed(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it arrived. `target` is path and query as sent; `body` is its first `BODY_BYTES_MAX` bytes."""

    method: str
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    account: str | None
    key_id: str | None
    request_id: str | None


class Recording:
    """Records each request, then lets the application have it. Larger bodies than the cap are answered 413."""

    def __init__(self, app: ASGIApp, *, executed: deque[Executed]) -> None:
        self._app = app
        self._executed = executed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, complete = await _read(receive)
        self._executed.append(_executed(scope, body))
        if not complete:
            await _answer_too_large(send)
            return
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        await self._app(scope, replay, send)


async def _read(receive: Receive) -> tuple[bytes, bool]:
    """The body, and whether it is all there: not cut off, not over the cap."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return body, False
        body += message.get("body", b"")
        if len(body) > BODY_BYTES_MAX:
            return body[:BODY_BYTES_MAX], False
        if not message.get("more_body", False):
            return body, True


async def _answer_too_large(send: Send) -> None:
    content = b'{"error":{"code":"too_large","message":"the body is cut off or too large"}}'
    fields = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": fields})
    await send({"type": "http.response.body", "body": content})


def _executed(scope: Scope, body: bytes) -> Executed:
    fields = Headers(scope=scope)
    query = scope["query_string"]
    path = scope.get("raw_path") or scope["path"].encode()
    return Executed(
        method=scope["method"],
        target=path + b"?" + query if query else path,
        fields=tuple(scope["headers"]),
        body=body,
        account=fields.get("guard-account"),
        key_id=fields.get("guard-key-id"),
        request_id=fields.get("guard-request-id"),
    )
