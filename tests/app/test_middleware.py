"""GuardMiddleware opened and closed by a lifespan, around applications with and without one of their own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from guard.app.keys import open_keyring
from guard.app.middleware import GuardMiddleware
from guard.edges.wrapped import App
from guard.settings import Settings
from guard.state.faults import StateError
from tests.build import facts
from tests.edges.gateway import scope

POLICY = """
version: 1
service: app
upstream: app
routes:
  GET /v1/{rest...}: {auth: none}
"""


async def _hello(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
    """An application that knows of no lifespan."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


class Lived:
    """An application with a lifespan."""

    def __init__(self, *, fails: str = "", raises: bool = False) -> None:
        self.told: list[str] = []
        self._fails = fails
        self._raises = raises

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await _hello(scope, receive, send)
            return
        scope["state"]["mine"] = 1
        for step in ("startup", "shutdown"):
            self.told.append((await receive())["type"])
            if self._fails == step:
                await send({"type": f"lifespan.{step}.failed", "message": "mine"})
                if self._raises:
                    raise ZeroDivisionError
                return
            await send({"type": f"lifespan.{step}.complete"})


class Server:
    """An ASGI server that runs one lifespan."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.state: dict[str, Any] = {}
        self.told: list[Any] = []
        self._incoming: asyncio.Queue[Any] = asyncio.Queue()
        self._answered = asyncio.Event()

    async def start(self) -> None:
        self._incoming.put_nowait({"type": "lifespan.startup"})
        arriving = {"type": "lifespan", "state": self.state}
        self._living = asyncio.ensure_future(self.app(arriving, self._incoming.get, self._send))
        await asyncio.wait((self._living, asyncio.ensure_future(self._answered.wait())), return_when="FIRST_COMPLETED")

    async def stop(self) -> None:
        self._incoming.put_nowait({"type": "lifespan.shutdown"})
        await self._living

    async def get(self, path: bytes = b"/v1/x") -> tuple[int, bytes]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope(facts("GET", path)), receive, send)
        return sent[0]["status"], sent[1]["body"]

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.told]

    async def _send(self, message: Any) -> None:
        self.told.append(message)
        self._answered.set()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "app.yaml").write_text(POLICY)
    return Settings(
        home=tmp_path / "home", policies=tmp_path / "policies", decision_log=str(tmp_path / "decisions.jsonl")
    )


@asynccontextmanager
async def _served(app: App) -> AsyncIterator[Server]:
    server = Server(app)
    await server.start()
    yield server
    await server.stop()


async def test_an_application_without_a_lifespan_is_served_from_startup_to_shutdown(settings: Settings) -> None:
    async with _served(GuardMiddleware(_hello, settings=settings)) as server:
        assert await server.get() == (200, b"hello")
        assert (await server.get(b"/nowhere"))[0] == 404
    assert server.types == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    with pytest.raises(RuntimeError, match="has not been started"):
        await server.get()


async def test_an_application_has_its_own_lifespan_within(settings: Settings) -> None:
    app = Lived()
    async with _served(GuardMiddleware(app, settings=settings)) as server:
        assert app.told == ["lifespan.startup"]
        assert server.state == {"mine": 1}
        assert await server.get() == (200, b"hello")
    assert app.told == ["lifespan.startup", "lifespan.shutdown"]
    assert server.types == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_requests_are_served_only_once_replays_can_be_told(settings: Settings) -> None:
    text = POLICY + "  POST /v1/orders: {scope: trade}\n"
    (settings.policies / "app.yaml").write_text(text)
    before = asyncio.get_running_loop().time()
    async with _served(GuardMiddleware(_hello, settings=settings)):
        assert asyncio.get_running_loop().time() - before > 1.0  # the clock lead that the policy grants


@pytest.mark.parametrize("raises", [False, True])
async def test_an_application_that_fails_to_start_is_said_to_have_failed(settings: Settings, *, raises: bool) -> None:
    app = GuardMiddleware(Lived(fails="startup", raises=raises), settings=settings)
    server = Server(app)
    await server.start()
    await server._living
    assert server.told == [{"type": "lifespan.startup.failed", "message": "mine"}]
    with pytest.raises(RuntimeError):
        await server.get()


async def test_an_application_that_fails_to_stop_is_said_to_have_failed(settings: Settings) -> None:
    async with _served(GuardMiddleware(Lived(fails="shutdown"), settings=settings)) as server:
        pass
    assert server.types == ["lifespan.startup.complete", "lifespan.shutdown.failed"]


@pytest.mark.parametrize("listens", [False, True])
async def test_an_application_that_says_less_than_it_should_is_served_until_shutdown(
    settings: Settings, *, listens: bool
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await _hello(scope, receive, send)
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})
        if listens:
            await receive()

    async with _served(GuardMiddleware(app, settings=settings)) as server:
        assert await server.get() == (200, b"hello")
    assert server.types == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_what_an_application_raises_while_it_lives_reaches_the_server(settings: Settings) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise ZeroDivisionError

    server = Server(GuardMiddleware(app, settings=settings))
    await server.start()
    with pytest.raises(ZeroDivisionError):
        await server.stop()


async def test_everything_is_closed_when_the_server_hears_of_it(settings: Settings) -> None:
    async with _served(GuardMiddleware(Lived(), settings=settings)):
        pass
    async with _served(GuardMiddleware(Lived(), settings=settings)) as second:  # the database was let go
        assert await second.get() == (200, b"hello")


async def _failed(app: GuardMiddleware) -> str:
    server = Server(app)
    await server.start()
    await server._living
    [told] = server.told
    assert told["type"] == "lifespan.startup.failed"
    with pytest.raises(RuntimeError):
        await server.get()
    return str(told["message"])


async def test_policies_that_are_wrong_stop_the_server_with_all_that_is_wrong(settings: Settings) -> None:
    (settings.policies / "app.yaml").write_text(POLICY.replace("upstream: app\n", ""))
    assert "P105" in await _failed(GuardMiddleware(_hello, settings=settings))
    missing = await _failed(GuardMiddleware(_hello, policies="/nowhere", settings=settings))
    assert "/nowhere" in missing


async def test_a_policy_that_names_a_backend_stops_the_server(settings: Settings) -> None:
    (settings.policies / "app.yaml").write_text(POLICY.replace("app\nroutes", "http://127.0.0.1:9\nroutes"))
    assert "write `upstream: app`" in await _failed(GuardMiddleware(_hello, settings=settings))


async def test_settings_that_make_no_sense_stop_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_BODY_MS_MAX", "hunter2")
    message = await _failed(GuardMiddleware(_hello, policies="policies"))
    assert "GUARD_BODY_MS_MAX" in message
    assert "hunter2" not in message


async def test_a_second_one_on_the_same_keys_stops_the_server(settings: Settings) -> None:
    async with _served(GuardMiddleware(_hello, settings=settings)):
        assert "belongs to one process" in await _failed(GuardMiddleware(_hello, settings=settings))


async def test_a_database_without_its_sealing_key_stops_the_server(settings: Settings) -> None:
    async with open_keyring(settings):
        pass
    settings.sealing_key.unlink()
    message = await _failed(GuardMiddleware(_hello, settings=settings))
    assert "sealing key" in message
    assert issubclass(StateError, Exception)


async def test_the_policies_may_be_named_beside_the_settings(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(POLICY.replace("/v1/{rest...}", "/other/{rest...}"))
    app = GuardMiddleware(_hello, policies=str(tmp_path / "other.yaml"), settings=settings)
    async with _served(app) as server:
        assert (await server.get(b"/other/x"))[0] == 200
        assert (await server.get(b"/v1/x"))[0] == 404


async def test_a_websocket_is_closed(settings: Settings) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async with _served(GuardMiddleware(_hello, settings=settings)) as server:
        await server.app({"type": "websocket"}, receive, send)
        with pytest.raises(RuntimeError, match="no edge for scope type"):
            await server.app({"type": "webtransport"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]
