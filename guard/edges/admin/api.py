"""The admin API as an ASGI application: the order in which a call is judged, and its one outermost except.

It is served on a listener of its own and is no part of the data plane. Health is mounted beside it and needs no token.
"""

import asyncio
from functools import cache
from typing import Any

import msgspec
import structlog
from starlette.routing import Route as StarletteRoute
from starlette.routing import Router

from guard.edges.admin.desk import Call, Desk
from guard.edges.admin.gate import SignInDesk, counted_address, refuse_strangers
from guard.edges.admin.openapi import PATH as DOCUMENT_PATH
from guard.edges.admin.openapi import document
from guard.edges.admin.problems import Answer, Flaw, Lines, Refused
from guard.edges.admin.reading import body_of, query_of, segment
from guard.edges.admin.routes import ROUTES, Route
from guard.edges.admin.throttle import Throttle
from guard.edges.asgi import otherwise
from guard.edges.body import Receive
from guard.edges.render import Responder, Scope, Send
from guard.edges.wrapped import App
from guard.service.key_orders import KeyringError, Obstacle
from guard.state.faults import StateError

HEALTH = ("/livez", "/readyz", "/metrics")

_BODY_BYTES_MAX = 1024 * 1024
_BODY_S_MAX = 10
_CODES = {
    Obstacle.INVALID: "admin.invalid",
    Obstacle.UNKNOWN: "admin.not_found",
    Obstacle.CONFLICT: "admin.conflict",
    Obstacle.FORBIDDEN: "admin.forbidden",
}
_log = structlog.get_logger()


class AdminApi:
    """An ASGI 3 application. `failures` counts what was our own fault; it must stay 0.

    `hosts` are the names, without port, by which it may be called.
    """

    def __init__(
        self, desk: Desk, sign_in: SignInDesk, throttle: Throttle, health: App, *, hosts: frozenset[str], version: str
    ) -> None:
        self.failures = 0
        self._desk = desk
        self._sign_in = sign_in
        self._throttle = throttle
        self._health = health
        self._hosts = hosts
        self._document = Answer(status=200, body=_written(version))
        paths = dict.fromkeys(route.path for route in ROUTES)
        self._router = Router(
            [StarletteRoute(path, _Resource(path)) for path in paths], default=_nothing, redirect_slashes=False
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope."""
        if scope["type"] != "http":
            await otherwise(scope, receive, send)
        elif scope["path"] in HEALTH:
            await self._health(scope, receive, send)
        else:
            await _send(await self._answer(scope, receive), scope["method"], Responder(send))

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        try:
            return await self._judged(scope, receive)
        except Refused as refused:
            return refused.answer()
        except KeyringError as error:
            flaws = () if error.field is None else (Flaw(detail=str(error), pointer=f"#/{error.field}"),)
            return Refused(_CODES[error.obstacle], str(error), flaws=flaws).answer()
        except StateError as error:
            _log.error("admin.unavailable", error=str(error))
            return Refused("admin.unavailable", fields=((b"retry-after", b"1"),)).answer()
        except Exception:  # noqa: BLE001  # the one outermost except: nothing is done, say so, go on
            self.failures += 1
            _log.exception("admin.error", path=scope["path"])
            return Refused("admin.error").answer()

    async def _judged(self, scope: Scope, receive: Receive) -> Answer:
        """Where it comes from, who it is, what it is about, whether they may, what it says; then it is done."""
        refuse_strangers(scope["headers"], self._hosts)
        client = scope["client"]
        if scope["path"] == DOCUMENT_PATH and scope["method"] in ("GET", "HEAD"):
            self._throttle.call("open", counted_address(client))
            return self._document
        token = await self._sign_in.sign_in(scope["headers"], client)
        route, name = await self._routed(scope)
        if not token.role.includes(route.role):  # knockout: admin_role_suffices
            raise Refused("admin.forbidden", f"this needs the role {route.role}, and {token.name} is {token.role}")
        query: object = query_of(scope["query_string"], route.query)
        body: object = None
        if route.body is not None:
            body = body_of(await _content(receive), scope["headers"], route.body)
        address = "unix" if client is None else client[0]
        call = Call[Any, Any](token=token, address=address, id=name, query=query, body=body)
        done = await route.act(self._desk, call)
        if isinstance(done, Lines):
            return Answer(status=route.status, body=done, media_type=Lines.MEDIA_TYPE.encode())
        return Answer(status=route.status, body=msgspec.json.encode(done))

    async def _routed(self, scope: Scope) -> tuple[Route, str]:
        """The row of the table, and what the path names. A segment is decoded after it was told from its neighbours."""
        found: dict[str, Any] = {}
        raw = scope.get("raw_path") or scope["path"].encode()
        looked_up = {**scope, "path": raw.decode("latin-1"), "root_path": "", "guard.found": found}
        await self._router(looked_up, _never, _never)
        return found["route"], segment(found.get("id", ""))


@cache  # of a table that never changes
def _written(version: str) -> bytes:
    return msgspec.json.encode(document(version))


class _Resource:
    """One path of the table, as Starlette's router calls it: tells which row it is."""

    def __init__(self, path: str) -> None:
        self._routes = {route.method: route for route in ROUTES if route.path == path}

    async def __call__(self, scope: Scope, _: Receive, __: Send) -> None:
        """Raises Refused if the path has no such method. Nothing is received or sent here."""
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method not in self._routes:
            allowed = ", ".join([*self._routes, *(["HEAD"] if "GET" in self._routes else [])])
            raise Refused("admin.method", fields=((b"allow", allowed.encode()),))
        scope["guard.found"].update(route=self._routes[method], **scope["path_params"])


async def _nothing(*_: object) -> None:
    raise Refused("admin.not_found")


async def _never(*_: object) -> Any:
    raise RuntimeError("looking up a route neither receives nor sends")


async def _content(receive: Receive) -> bytes:
    """The whole body. Raises Refused if it is too large or too slow."""
    content = bytearray()
    try:
        async with asyncio.timeout(_BODY_S_MAX):
            more = True
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise Refused("admin.malformed", "the body ended early")
                content += message.get("body", b"")
                more = message.get("more_body", False)
                if len(content) > _BODY_BYTES_MAX:
                    raise Refused("admin.too_large", f"a body has at most {_BODY_BYTES_MAX} bytes")
    except TimeoutError:
        raise Refused("admin.timeout") from None
    return bytes(content)


async def _send(answer: Answer, method: str, responder: Responder) -> None:
    body = answer.body
    fields = [
        (b"content-type", answer.media_type),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *answer.fields,
    ]
    if isinstance(body, bytes):
        fields.append((b"content-length", b"%d" % len(body)))
    await responder.start(answer.status, fields)
    if not isinstance(body, bytes) and method != "HEAD":
        async for line in body.lines:
            await responder.content(line + b"\n", more=True)
            if responder.gone:
                return
    await responder.content(body if isinstance(body, bytes) and method != "HEAD" else b"", more=False)
