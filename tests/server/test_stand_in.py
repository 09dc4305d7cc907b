"""uvicorn with its two surprises mended, over a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from guard.server.stand_in import Listener


class Recorder:
    """An ASGI application that remembers the scopes and bodies that reach it."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.bodies: list[bytes] = []
        self.asked = asyncio.Event()
        self.answer_after = asyncio.Event()
        self.answer_after.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(body)
        self.asked.set()
        await self.answer_after.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def _listening(app: Recorder) -> AsyncIterator[Listener]:
    listener = Listener(app, "127.0.0.1:0", grace_s=5)
    await listener.start()
    try:
        yield listener
    finally:
        await listener.stop()


async def _asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_trailer_is_no_field() -> None:
    app = Recorder()
    async with _listening(app) as listener:
        head = b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: guard-key\r\n\r\n"
        await _asked(listener.port, head + b"3\r\nabc\r\n0\r\nguard-key: smuggled\r\n\r\n")
    assert app.bodies == [b"abc"]
    assert b"guard-key" not in dict(app.scopes[0]["headers"])


@pytest.mark.parametrize("target", [b"/a%2Fb?x=%2F&y", b"/a?", b"http://other.test/a", b"/a?b#c"])
async def test_the_target_is_handed_over_as_it_came(target: bytes) -> None:
    app = Recorder()
    async with _listening(app) as listener:
        await _asked(listener.port, b"GET " + target + b" HTTP/1.1\r\nhost: a\r\n\r\n")
    assert app.scopes[0]["extensions"] == {"guard": {"target": target}}


async def test_what_cannot_be_parsed_is_a_problem_and_ends_the_connection() -> None:
    app = Recorder()
    async with _listening(app) as listener:
        answer = await _asked(listener.port, b"NONSENSE\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
    assert b"connection: close" in answer
    assert app.scopes == []


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.0\r\ntransfer-encoding: chunked"])
async def test_no_version_but_the_two_of_rfc_9112_passes(version: bytes) -> None:
    """HTTP/1.0 has no transfer codings: two readers would see the end of such a message in two places."""
    app = Recorder()
    async with _listening(app) as listener:
        answer = await _asked(listener.port, b"POST / " + version + b"\r\nhost: a\r\n\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert app.scopes == []


async def test_http_1_0_passes() -> None:
    app = Recorder()
    async with _listening(app) as listener:
        assert (await _asked(listener.port, b"GET / HTTP/1.0\r\nhost: a\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_white_space_after_a_value_is_no_part_of_it() -> None:
    """RFC 9112 section 5."""
    app = Recorder()
    async with _listening(app) as listener:
        await _asked(listener.port, b"GET / HTTP/1.1\r\nhost: \t a \t \r\nx:\t\r\n\r\n")
    assert app.scopes[0]["headers"] == [(b"host", b"a"), (b"x", b"")]


_GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
_BROKEN_BODY = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"


async def _all(port: int, app: Recorder, *segments: bytes) -> bytes:
    """All that comes back; the application answers once everything was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for segment in segments:
        writer.write(segment)
        await asyncio.sleep(0.05)
    app.answer_after.set()
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("nonsense", [(_GET + b"NONSENSE\r\n\r\n",), (_GET, b"NONSENSE\r\n\r\n", b"more")])
async def test_a_refusal_is_never_taken_for_the_answer_to_the_message_before(nonsense: tuple[bytes, ...]) -> None:
    """The answer to what was being answered comes, and then the connection ends."""
    app = Recorder()
    app.answer_after.clear()
    async with _listening(app) as listener:
        answer = await _all(listener.port, app, *nonsense)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nok")
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_body_that_cannot_be_parsed_is_refused_and_may_have_been_streamed_on() -> None:
    app = Recorder()
    async with _listening(app) as listener:
        answer = await _all(listener.port, app, _BROKEN_BODY)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"guard-sent: unknown\r\n" in answer
    assert app.bodies in ([], [b""])


async def test_a_broken_body_behind_a_message_that_waits_for_its_answer_ends_the_connection_in_silence() -> None:
    app = Recorder()
    app.answer_after.clear()
    async with _listening(app) as listener:
        assert await _all(listener.port, app, _GET + _BROKEN_BODY) == b""


async def test_what_is_in_flight_is_finished_when_it_stops() -> None:
    app = Recorder()
    app.answer_after.clear()
    async with _listening(app) as listener:
        asking = asyncio.create_task(_asked(listener.port, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"))
        await asyncio.wait_for(app.asked.wait(), 5)
        stopping = asyncio.create_task(listener.stop())
        await asyncio.sleep(0.05)
        app.answer_after.set()
        assert (await asking).startswith(b"HTTP/1.1 200 ")
        await stopping


async def test_a_port_that_is_taken_is_refused_at_once() -> None:
    async with _listening(Recorder()) as listener:
        with pytest.raises(OSError, match="in use"):
            Listener(Recorder(), f"127.0.0.1:{listener.port}")
