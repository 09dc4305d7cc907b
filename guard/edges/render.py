"""A Deny as what the client of an HTTP exchange gets to see: status, fields, and a problem of RFC 9457."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias

from guard.model.decision import Deny
from guard.model.exchange import Sent
from guard.model.facts import Field
from guard.model.names import RequestId
from guard.wire.problem import problem

Scope: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Responder:
    """Sends one response. A client that has `gone` is no error: what was admitted is finished all the same.

    `handed_over` says that what answers, and whatever it raises, is not ours.
    """

    __slots__ = ("_send", "bytes_out", "gone", "handed_over", "started", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = self.gone = self.handed_over = False
        self.status = self.bytes_out = 0

    async def start(self, status: int, fields: Sequence[Field]) -> None:
        """The status and fields."""
        self.started = True
        self.status = status
        try:
            await self._send({"type": "http.response.start", "status": status, "headers": list(fields)})
        except OSError:  # what ASGI servers raise for a client that has gone
            self.gone = True

    async def content(self, content: bytes, *, more: bool) -> None:
        """A part of the body, or with `more` false the last of it."""
        self.bytes_out += len(content)
        try:
            await self._send({"type": "http.response.body", "body": content, "more_body": more})
        except OSError:
            self.gone = True

    async def refuse(
        self, deny: Deny, request_id: RequestId, sent: Sent, *, service: str, head: bool, close: bool
    ) -> None:
        """A whole refusal. `head` leaves the body out; `close` ends the connection, as for a body that was not read."""
        refusal = problem(deny, request_id, sent, service=service)
        await self.start(refusal.status, (*refusal.fields, (b"connection", b"close")) if close else refusal.fields)
        await self.content(b"" if head else refusal.body, more=False)
