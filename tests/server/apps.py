"""ASGI applications for these tests."""

import asyncio
from typing import Any


class Echo:
    """Reads the whole body and says it back; remembers what reached it."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.requests: list[tuple[str, bytes, tuple[Any, ...], bytes]] = []
        self.broken = 0
        self.asked = asyncio.Event()
        self.answer_after = asyncio.Event()
        self.answer_after.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        self.asked.set()
        body = await self.body(receive)
        if body is None:
            self.broken += 1
            return
        target = scope["extensions"]["guard"]["target"]
        self.requests.append((scope["method"], target, tuple(scope["headers"]), body))
        await self.answer_after.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"date", b"now")]})
        await send({"type": "http.response.body", "body": target + b" " + body})

    async def body(self, receive: Any) -> bytes | None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body, more = body + message["body"], message["more_body"]
        return body


def answering(*parts: bytes, status: int = 200, fields: Any = ((b"date", b"now"),), read: bool = False) -> Any:
    """An application that gives one answer in parts."""

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        if read:
            await receive()
        await send({"type": "http.response.start", "status": status, "headers": list(fields)})
        for number, part in enumerate(parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})

    return app
