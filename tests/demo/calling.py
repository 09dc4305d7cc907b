"""Calls an ASGI application in process, once, with fields and body exactly as given."""

import json
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Message


class Answered(NamedTuple):
    status: int
    content: Any
    fields: dict[bytes, bytes]


async def call(
    app: ASGIApp,
    method: str,
    target: str,
    *,
    account: str | None = "alice",
    body: bytes = b"",
    chunks: list[bytes] | None = None,
    fields: tuple[tuple[bytes, bytes], ...] = (),
) -> Answered:
    """`chunks` None sends the body in one; a list sends these, and then goes away before the end."""
    path, _, query = target.partition("?")
    identity = ((b"guard-account", account.encode()),) if account is not None else ()
    host = () if any(name == b"host" for name, _ in fields) else ((b"host", b"demo"),)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [*host, *identity, *fields],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8081),
    }
    incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    if chunks is not None:
        incoming = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    sent: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return Answered(sent[0]["status"], json.loads(content), dict(sent[0]["headers"]))
