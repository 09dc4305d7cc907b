"""An exchange that the application answers around which guard is wrapped: it stands where a backend would.

It sees the fields and the body that a backend would see, and its answer passes on as a backend's would. It runs in the
server's own task, so that what it raises, and when it is cancelled, is between it and its server.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import unquote

import msgspec

from guard.core.stages import Allow
from guard.edges.body import ClientBroke, Receive
from guard.edges.exchange import BODILESS, Exchange, Still
from guard.edges.render import Scope, Send
from guard.model.decision import Deny
from guard.model.exchange import Sent
from guard.model.facts import Facts, Field
from guard.model.names import AccountId, KeyId, RequestId
from guard.model.policy import Service
from guard.signing.assertion import AssertionKey

App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_ABOUT_THE_CONNECTION = ("tls",)
_CLIENT_GONE = "the client went away"


class Admitted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who sent a request, for the application, in `scope["guard"]`. Cannot be forged: no client writes to a scope.

    `account` and `key_id` are None together: on a route that is open to anyone.
    """

    request_id: RequestId
    account: AccountId | None
    key_id: KeyId | None
    scopes: frozenset[str]


class Wrapped:
    """The application. `key` signs assertions, if some policy asks for them."""

    def __init__(self, app: App, key: AssertionKey | None) -> None:
        self._app = app
        self.key = key

    def strain(self, service: Service) -> int:  # noqa: ARG002  # one application, whatever the service
        """0: nobody waits for it."""
        return 0

    def obstacle(self, service: Service) -> None:
        """None: there is one application, and it is here."""

    async def carry(self, exchange: Exchange, allow: Allow, still: Still) -> None:
        """Have the application answer, and conclude. Raises whatever it raises, after the client was answered."""
        denied = still(allow)
        if denied is not None:
            await exchange.conclude(await exchange.deny(denied))
            return
        body = exchange.body(allow)
        scope = _scope(exchange, allow, [*exchange.fields(allow, self.key), *_framing(exchange.facts, body)])
        call = _Call(exchange, allow, body)
        exchange.responder.handed_over = True
        try:
            await self._app(scope, call.receive, call.send)
        finally:
            await call.end()


class _Call:
    """One call of the application: its body, its answer, and what became of both."""

    def __init__(self, exchange: Exchange, allow: Allow, body: bytes | AsyncIterator[bytes]) -> None:
        self._exchange = exchange
        self._allow = allow
        self._body: bytes | AsyncIterator[bytes] | None = body
        self._bodiless = exchange.facts.verb == "HEAD"
        self._client_gone = False
        self._concluded = False
        exchange.asked()
        self._patience_s = exchange.reader.ms_max / 1000

    async def receive(self) -> MutableMapping[str, Any]:
        """ASGI: the body, as it was verified or as it comes; then, when the client has gone, that it has."""
        body = self._body
        if isinstance(body, bytes):
            self._body = None
            return {"type": "http.request", "body": body, "more_body": False}
        if body is not None:
            return await self._part(body)
        if not self._concluded:
            await self._exchange.reader.departure()
            self._client_gone = True
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """ASGI: a part of the answer. What comes after its end is dropped, as servers do."""
        if self._concluded:
            return
        match message["type"]:
            case "http.response.start":
                self._bodiless = self._bodiless or message["status"] in BODILESS
                fields = list(message.get("headers", ()))  # any iterable, says ASGI
                await self._exchange.start(self._allow, message["status"], fields)
            case "http.response.body":
                more, content = message.get("more_body", False), message.get("body", b"")
                await self._exchange.responder.content(b"" if self._bodiless else content, more=more)
                if not more:
                    await self._conclude(None)
            case other:
                raise RuntimeError(f"guard passes no {other!r} on: it was not offered in `extensions`")
        if self._exchange.responder.gone:
            raise OSError("the client has gone")  # as the server said

    async def end(self) -> None:
        """The application has returned, or raised: conclude, if its answer did not."""
        if self._concluded:
            return
        if self._exchange.responder.started:
            await self._conclude(_CLIENT_GONE if self._client_gone else "the application broke off its answer")
        elif self._client_gone:
            await self._fail("request.incomplete", _CLIENT_GONE)
        else:
            await self._fail("upstream.broken", "the application ended without an answer")

    async def _part(self, body: AsyncIterator[bytes]) -> MutableMapping[str, Any]:
        try:
            content = await self._awaited(body)
        except ClientBroke as broke:
            self._body = None
            if not (self._concluded or self._exchange.responder.started):
                await self._fail(broke.code, "the client broke off its body")
            return {"type": "http.disconnect"}
        more = not self._exchange.reader.finished
        if not more:
            self._body = None
        return {"type": "http.request", "body": content, "more_body": more}

    async def _awaited(self, body: AsyncIterator[bytes]) -> bytes:
        """The next part. Only the time counts for which the client is waited for, not what the application takes."""
        asked_ns = time.perf_counter_ns()
        try:
            async with asyncio.timeout(self._patience_s):
                return await anext(body, b"")
        except TimeoutError:
            raise ClientBroke("request.timeout") from None
        finally:
            self._patience_s -= (time.perf_counter_ns() - asked_ns) / 1e9

    async def _fail(self, code: str, source: str) -> None:
        """Answer in the application's place. It was called, so trying again is not advised."""
        self._concluded = True
        self._exchange.heard()
        await self._exchange.conclude(await self._exchange.fail(Deny(code=code), Sent.YES, source))

    async def _conclude(self, error: str | None) -> None:
        self._concluded = True
        self._exchange.heard()
        await self._exchange.conclude(self._exchange.outcome(Sent.YES, error))


def _scope(exchange: Exchange, allow: Allow, fields: list[Field]) -> Scope:
    """The scope of the server, saying what was judged and offering nothing that would pass around `send`."""
    scope, facts, record = exchange.scope, exchange.facts, allow.record
    admitted = Admitted(
        request_id=facts.request_id,
        account=None if record is None else record.account,
        key_id=None if record is None else record.id,
        scopes=frozenset() if record is None else record.scopes,
    )
    offered: Mapping[str, Any] = scope.get("extensions") or {}
    return {
        **scope,
        "path": unquote(facts.path.decode("ascii")),
        "raw_path": facts.path,
        "query_string": facts.query or b"",
        "headers": fields,
        "extensions": {name: offered[name] for name in _ABOUT_THE_CONNECTION if name in offered},
        "guard": admitted,
    }


def _framing(facts: Facts, body: bytes | AsyncIterator[bytes]) -> list[Field]:
    """How long the body is, as far as that is known (RFC 9112 §6)."""
    if isinstance(body, bytes):
        return [(b"content-length", b"%d" % len(body))] if body or facts.body_bytes_announced is not None else []
    if facts.body_bytes_announced is None:
        return [(b"transfer-encoding", b"chunked")]
    return [(b"content-length", b"%d" % facts.body_bytes_announced)]
