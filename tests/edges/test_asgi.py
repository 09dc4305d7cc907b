"""Which edge is a scope for, and what happens when we are wrong."""

import io
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import msgspec
import pytest
import structlog

from guard.edges.asgi import Gateway
from guard.model.names import RequestId
from tests.build import facts, signed
from tests.edges.gateway import Front, front
from tests.upstream.scripted_backend import OK, answering


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    written = io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(written))
    yield written
    structlog.reset_defaults()


def _broken(gateway: Front, count_failure: Callable[[], object]) -> Gateway:
    """The same gateway, with a bug in it."""

    def bug(*_: object) -> NoReturn:
        raise ZeroDivisionError("the canary of a bug")

    http = msgspec.structs.replace(gateway.gateway._http, now=bug)
    return Gateway(http, lambda: RequestId("req_bug"), count_failure)


async def test_a_bug_of_ours_denies_is_logged_and_counted_and_tells_the_client_nothing(log: io.StringIO) -> None:
    failures: list[int] = []
    async with front(answering(OK)) as gateway:
        gateway.gateway = _broken(gateway, lambda: failures.append(1))
        answer = await gateway.ask(signed())
        assert (answer.status, answer.problem["code"], answer.problem["sent"]) == (500, "gateway.error", "unknown")
        assert b"canary" not in answer.body
        assert failures == [1]
        assert gateway.backend.received == []
        assert "the canary of a bug" in log.getvalue()
        head = await gateway.ask(facts("HEAD", b"/v1/orders"))
        assert (head.status, head.body) == (500, b"")


async def test_a_websocket_is_refused_before_its_handshake() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async with front(answering(OK)) as gateway:
        await gateway.gateway({"type": "websocket", "path": "/v1/orders"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_a_scope_that_no_edge_knows_is_refused() -> None:
    async def nothing(*_: Any) -> NoReturn:
        raise AssertionError

    async with front(answering(OK)) as gateway:
        with pytest.raises(RuntimeError, match="no edge for scope type 'smtp'"):
            await gateway.gateway({"type": "smtp"}, nothing, nothing)


async def test_the_lifespan_of_a_foreign_server_is_answered() -> None:
    events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return events.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async with front(answering(OK)) as gateway:
        await gateway.gateway({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
