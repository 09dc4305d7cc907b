"""The same line around any ASGI application, on any ASGI server: what is let through is answered by the application.

Opened and closed by the server's lifespan, before the application starts and after it has stopped; a server that runs
no lifespan gets errors, not an open door. WebSockets are refused, as `guard serve` refuses them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from pydantic import ValidationError

from guard.app.gateway import Running, open_gateway
from guard.app.onward import Misplaced
from guard.app.reloading import reloading_by
from guard.app.serving import until_ready
from guard.edges.body import Receive
from guard.edges.render import Scope, Send
from guard.edges.wrapped import App
from guard.policy.diagnostic import render
from guard.policy.load import Invalid
from guard.service.policies import Rulebook, Rules, read_rulebook
from guard.settings import Settings, faults
from guard.state.faults import StateError


class GuardMiddleware:
    """An ASGI 3 application around another. `policies` is a directory or a file; else, and for all else, `settings`.

    Settings that are not given come from the environment, as for `guard serve`. They and the policies are read when the
    server starts the lifespan; what is wrong with them stops the server.
    """

    def __init__(self, app: App, *, policies: Path | str | None = None, settings: Settings | None = None) -> None:
        self._app = app
        self._policies = policies
        self._settings = settings
        self._running: Running | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif self._running is None:
            raise RuntimeError("GuardMiddleware has not been started: the server must run the ASGI lifespan")
        else:
            await self._running.gateway(scope, receive, send)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        startup = await receive()
        async with AsyncExitStack() as stack:
            try:
                running = await stack.enter_async_context(self._opened())
            except (StateError, Misplaced, _NotInOrder, OSError) as error:
                await send({"type": "lifespan.startup.failed", "message": f"guard: {error}"})
                return
            stack.callback(setattr, self, "_running", None)
            self._running = running
            inner = _Lifespan(running, startup, receive, send)
            farewell = await inner.live(self._app, scope)
        await send(farewell)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Running]:
        settings = self._settings or _settings()
        policies = settings.policies if self._policies is None else Path(self._policies)
        rules = _rules(policies, settings.policy_signers_file)
        settings = settings.model_copy(update={"policies": policies})
        async with (
            open_gateway(settings, Rules(rules), app=self._app) as running,
            reloading_by(settings, running, at_sighup=False),  # signals are the server's
        ):
            yield running


class _Lifespan:
    """The application's lifespan within ours. It may have none: then it raises, or returns, without a word."""

    def __init__(self, running: Running, startup: Scope, receive: Receive, send: Send) -> None:
        self._running = running
        self._startup: Scope | None = startup
        self._receive = receive
        self._send = send
        self._started = False
        self._stopping = False
        self._farewell: Scope | None = None

    async def live(self, app: App, scope: Scope) -> Scope:
        """From startup to shutdown. Returns what is to be told to the server when all is closed."""
        try:
            await app(scope, self._next, self._said)
        except Exception:
            if self._started and self._farewell is None:
                raise  # else it has said what failed, or it has no lifespan: ASGI lets it say so by raising
        if self._farewell is None:
            if not self._started:
                await self._said({"type": "lifespan.startup.complete"})
            if not self._stopping:
                await self._receive()
            self._farewell = {"type": "lifespan.shutdown.complete"}
        return self._farewell

    async def _next(self) -> Scope:
        startup, self._startup = self._startup, None
        if startup is not None:
            return startup
        shutdown = await self._receive()
        self._stopping = True
        return shutdown

    async def _said(self, message: Scope) -> None:
        if message["type"] != "lifespan.startup.complete":
            self._farewell = message
            return
        await until_ready(self._running, asyncio.Event())
        self._started = True
        await self._send(message)


class _NotInOrder(Exception):  # noqa: N818  # settings or policies, not an error of ours
    """Settings or policies that make no sense. The text says all that is wrong with them."""


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as invalid:
        raise _NotInOrder("\n".join(faults(invalid))) from None


def _rules(policies: Path, signers: Path | None) -> Rulebook:
    rules = read_rulebook(policies, signers)
    if isinstance(rules, Invalid):
        raise _NotInOrder("\n".join(render(diagnostic) for diagnostic in rules.diagnostics))
    return rules
