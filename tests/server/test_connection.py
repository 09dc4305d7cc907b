"""One connection, driven in memory: order, ends, deadlines and back-pressure."""

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.server.connection import Connection
from guard.server.exchange import Exchange
from guard.server.limits import Limits
from tests.server.apps import Echo, answering
from tests.server.in_memory import Home, Wire, turns, until

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /%b HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b"
CHUNKED = b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nGuard-Key: k\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ndate: now\r\n"
QUICK = Limits(head_ms=30, body_progress_ms=30, body_progress_bytes_min=4, idle_ms=30, write_stall_ms=30, linger_ms=30)


def _echoed(content: bytes, *, close: bool = False) -> bytes:
    return OK + b"content-length: %d\r\n" % len(content) + b"connection: close\r\n" * close + b"\r\n" + content


async def _sent(*segments: bytes, app: Any = None, limits: Limits | None = None, eof: bool = False) -> Wire:
    connection, wire = Home(app or Echo(), limits).connect()
    for segment in segments:
        if not wire.closed:
            connection.data_received(segment)
        await turns(3)
    if eof and not wire.closed:
        connection.eof_received()
    await turns(40)
    seen = Wire()
    seen.written, seen.ended, seen.closed, seen.aborted = wire.written, wire.over, wire.closed, wire.aborted
    connection.connection_lost(None)
    await turns()
    return seen


async def test_requests_of_one_segment_are_answered_in_their_order() -> None:
    content = GET % b"1" + POST % (b"2", 3, b"abc") + CHUNKED + GET % b"4"
    wire = await _sent(content)
    assert wire.written == _echoed(b"/1 ") + _echoed(b"/2 abc") + _echoed(b"/c abc") + _echoed(b"/4 ")
    assert not wire.over


async def test_trailers_are_no_fields() -> None:
    app = Echo()
    await _sent(CHUNKED, app=app)
    assert app.requests == [("POST", b"/c", ((b"transfer-encoding", b"chunked"),), b"abc")]


@pytest.mark.parametrize("last", [b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"])
async def test_nothing_is_served_behind_the_last_request(last: bytes) -> None:
    app = Echo()
    wire = await _sent(last + GET % b"smuggled", app=app)
    assert wire.written == _echoed(b"/ ", close=True)
    assert wire.over
    assert len(app.requests) == 1


async def test_what_is_broken_is_refused_behind_the_answers_before_it() -> None:
    wire = await _sent(GET % b"1" + b"BROKEN\r\n\r\n" + GET % b"2")
    first, refused = wire.written.split(b"/1 ")
    assert first + b"/1 " == _echoed(b"/1 ")
    assert refused.startswith(b"HTTP/1.1 400 ")
    assert b'"sent":"no"' in refused
    assert wire.over


async def test_a_broken_body_is_refused_and_its_request_never_whole() -> None:
    app = Echo()
    wire = await _sent(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabX\r\n0\r\n\r\n" + GET % b"", app=app
    )
    assert wire.written.startswith(b"HTTP/1.1 400 ")
    assert b'"sent":"unknown"' in wire.written
    assert (app.requests, app.broken, wire.over) == ([], 1, True)


async def test_a_broken_body_behind_a_begun_answer_breaks_it_off() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    wire = await _sent(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"X\r\n", app=app)
    assert wire.aborted


_STREAMS = [
    GET % b"1" + GET % b"2",
    POST % (b"1", 3, b"abc") + CHUNKED + b"\r\n" + GET % b"3",
    GET % b"1" + b"GET / HTTP/1.1\nA: b\r\n\r\n",
    CHUNKED + POST % (b"2", 0, b"") + b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"POST /1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc" + GET % b"2",
    b"GET / HTTP/1.0\r\n\r\n" + GET % b"2",
    CHUNKED.replace(b"\r\nc\r\n", b"\nc\r\n") + GET % b"2",
]


async def _outcome(segments: list[bytes]) -> tuple[list[Any], list[bytes], bool]:
    app = Echo()
    wire = await _sent(*segments, app=app)
    answers = [line for line in wire.written.split(b"\r\n") if line.startswith((b"HTTP/1.1 ", b"/"))]
    return app.requests, answers, wire.over


@given(content=st.sampled_from(_STREAMS), data=st.data())
def test_any_split_gives_the_same_requests_and_answers(content: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(content) - 1), max_size=8)))
    segments = [content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    assert asyncio.run(_outcome(segments)) == asyncio.run(_outcome([content]))


@pytest.mark.parametrize("content", _STREAMS)
async def test_byte_by_byte_gives_the_same_requests_and_answers(content: bytes) -> None:
    assert await _outcome([bytes([byte]) for byte in content]) == await _outcome([content])


async def test_continue_is_said_only_when_the_application_asks() -> None:
    app = Echo()
    head = b"POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    wire = await _sent(head, b"a", app=app)
    assert wire.written == b"HTTP/1.1 100 Continue\r\n\r\n" + _echoed(b"/ a")
    refused = await _sent(head, app=answering(b"no", status=403))
    assert refused.written.startswith(b"HTTP/1.1 403 ")
    assert b"connection: close" in refused.written
    assert refused.over
    whole = await _sent(head + b"a", app=app)
    assert whole.written == _echoed(b"/ a")


async def test_continue_is_not_said_in_the_middle_of_an_answer() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await receive()

    wire = await _sent(b"POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n", app=app)
    assert b" 100 " not in wire.written


async def test_a_client_that_closes_its_side_during_the_answer_reads_it_whole() -> None:
    go = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await go.wait()
        await send({"type": "http.response.body", "body": b"y"})

    connection, wire = Home(app).connect()
    connection.data_received(GET % b"")
    await turns()
    connection.eof_received()
    assert not wire.closed
    go.set()
    await turns()
    assert wire.written.endswith(b"1\r\ny\r\n0\r\n\r\n")
    assert wire.is_over()


async def test_application_that_wants_to_know_is_told_once_that_its_client_has_left() -> None:
    left: list[str] = []
    go = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        scope["extensions"]["guard"]["connection"].left = lambda: left.append(scope["path"])
        await go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})

    leaves, _ = Home(app).connect()
    stays, _ = Home(app).connect()
    leaves.data_received(GET % b"leaves")
    stays.data_received(GET % b"stays")
    await turns()
    leaves.connection_lost(None)
    assert left == ["/leaves"]
    assert leaves.peer.left is None
    go.set()
    await turns()
    stays.connection_lost(None)
    assert left == ["/leaves"]


async def test_what_follows_an_early_answer_is_dropped_within_bounds() -> None:
    limits = Limits(linger_bytes_max=100)
    connection, wire = Home(answering(b"no"), limits).connect()
    connection.data_received(b"POST / HTTP/1.1\r\nContent-Length: 500\r\n\r\n")
    await turns()
    assert (wire.ended, wire.closed) == (True, False)
    connection.data_received(b"x" * 100)
    assert not wire.closed
    connection.data_received(b"x")
    assert wire.aborted


async def test_a_client_that_closes_its_side_gets_its_answers() -> None:
    wire = await _sent(GET % b"1" + GET % b"2", eof=True)
    assert wire.written.startswith(_echoed(b"/1 "))
    assert b"/2 " in wire.written
    assert wire.closed
    app = Echo()
    app.answer_after.clear()
    connection, wire = Home(app).connect()
    connection.data_received(GET % b"1" + GET % b"2")
    await turns()
    assert connection.eof_received()
    app.answer_after.set()
    await turns(20)
    assert wire.written.count(b"HTTP/1.1 200 ") == 2
    assert wire.closed


async def test_a_client_that_closes_its_side_too_early_is_told_so() -> None:
    assert (await _sent(b"GET / HT", eof=True)).written.startswith(b"HTTP/1.1 400 ")
    assert (await _sent(b"", eof=True)).written == b""
    app = Echo()
    wire = await _sent(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", app=app, eof=True)
    assert (app.requests, app.broken) == ([], 1)
    assert wire.over
    behind = await _sent(GET % b"1" + b"GET / HT", eof=True)
    assert behind.written.count(b"HTTP/1.1 400 ") == 1
    app.answer_after.clear()
    connection, waiting = Home(app).connect()
    connection.data_received(GET % b"1" + b"GET / HT")
    connection.eof_received()
    await turns()
    app.answer_after.set()
    await turns()
    assert waiting.written.startswith(_echoed(b"/1 ") + b"HTTP/1.1 400 ")
    assert waiting.closed


@pytest.mark.parametrize("content", [b"", b"\r", b"\r\nG", b"GET / HTTP/1.1\r\n"])
async def test_a_head_must_come_in_time(content: bytes) -> None:
    connection, wire = Home(Echo(), QUICK).connect()
    if content:
        connection.data_received(content)
    await until(lambda: wire.over)
    assert wire.written.startswith(b"HTTP/1.1 408 ") == bool(content)


async def test_a_head_that_drips_gets_no_more_time() -> None:
    connection, wire = Home(Echo(), QUICK).connect()
    started = asyncio.get_running_loop().time()
    connection.data_received(b"GET /")
    while not wire.over:
        connection.data_received(b"a")
        await asyncio.sleep(0.005)
    assert asyncio.get_running_loop().time() - started < 1
    assert b" 408 " in wire.written


async def test_an_idle_client_is_let_go_without_a_word() -> None:
    connection, wire = Home(Echo(), QUICK).connect()
    connection.data_received(GET % b"1")
    await until(lambda: wire.over)
    assert wire.written == _echoed(b"/1 ")


async def test_a_body_must_go_on() -> None:
    app = Echo()
    connection, wire = Home(app, QUICK).connect()
    connection.data_received(POST % (b"", 500, b"a"))
    while not wire.over:
        await asyncio.sleep(0.015)
        connection.data_received(b"a")  # a drip is no progress
    assert wire.written.startswith(b"HTTP/1.1 408 ")
    assert b'"sent":"unknown"' in wire.written
    await until(lambda: app.broken == 1)


async def test_a_body_that_goes_on_is_waited_for() -> None:
    """For more time in all than one part of it may take."""
    connection, wire = Home(Echo(), Limits(body_progress_ms=400, body_progress_bytes_min=4)).connect()
    connection.data_received(POST % (b"", 40, b""))
    for _ in range(10):
        await asyncio.sleep(0.06)
        connection.data_received(b"abcd")
    await turns(20)
    assert wire.written.startswith(b"HTTP/1.1 200 ")


async def test_an_application_may_take_its_time() -> None:
    app = Echo()
    app.answer_after.clear()
    connection, wire = Home(app, QUICK).connect()
    connection.data_received(POST % (b"", 1, b"a"))
    await asyncio.sleep(0.1)
    assert (wire.written, wire.over) == (b"", False)
    app.answer_after.set()
    await turns()
    assert wire.written == _echoed(b"/ a")


async def test_a_client_that_does_not_read_is_dropped() -> None:
    sent = []

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(5):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            sent.append(number)

    connection, wire = Home(app, QUICK).connect()
    connection.pause_writing()
    connection.data_received(GET % b"")
    await turns()
    assert sent == []
    connection.resume_writing()
    connection.pause_writing()
    await turns()
    assert sent == [0]
    await until(lambda: wire.aborted)
    connection.connection_lost(None)
    await turns()
    assert sent == [0]


@pytest.mark.parametrize("unread", [0, 10])
async def test_a_lingering_client_is_let_go(unread: int) -> None:
    connection, wire = Home(Echo(), QUICK).connect()
    wire.unread = unread
    connection.data_received(b"BROKEN\r\n\r\n")
    connection.pause_writing()
    connection.resume_writing()
    assert (wire.ended, wire.closed) == (True, False)
    await until(lambda: wire.aborted)


async def test_a_lingering_client_that_closes_its_side_is_done() -> None:
    connection, wire = Home(Echo()).connect()
    connection.data_received(b"BROKEN\r\n\r\n")
    connection.eof_received()
    assert (wire.closed, wire.aborted) == (True, False)


async def test_an_idle_client_that_has_not_read_its_answer_is_dropped() -> None:
    connection, wire = Home(Echo(), QUICK).connect()
    connection.data_received(GET % b"")
    wire.unread = 10
    await until(lambda: wire.aborted)


async def test_a_slow_reader_is_idle_only_once_it_has_read() -> None:
    connection, wire = Home(Echo(), QUICK).connect()
    connection.pause_writing()
    connection.resume_writing()
    await until(lambda: wire.closed)
    assert not wire.aborted


async def test_the_body_is_waited_for_again_after_a_slow_reader_has_read() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        await receive()
        await receive()

    connection, wire = Home(app, QUICK).connect()
    connection.data_received(POST % (b"", 9, b"a"))
    await turns()
    connection.pause_writing()
    connection.resume_writing()
    await until(wire.is_over)
    assert wire.written.startswith(b"HTTP/1.1 408 ")


async def test_an_application_that_does_not_ask_for_the_body_is_not_timed() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(0.1)
        await answering(b"late")(scope, receive, send)

    connection, wire = Home(app, QUICK).connect()
    connection.data_received(POST % (b"", 9, b""))
    await turns()
    connection.data_received(b"a")
    await until(wire.is_over)
    assert wire.written.startswith(b"HTTP/1.1 200 ")


async def test_a_body_that_ends_early_behind_a_closed_side_is_broken_off() -> None:
    app = Echo()
    app.answer_after.clear()
    connection, wire = Home(app).connect()
    connection.data_received(GET % b"1" + POST % (b"2", 9, b"a"))
    await turns()
    connection.eof_received()
    app.answer_after.set()
    await turns(20)
    assert (len(app.requests), app.broken, wire.over) == (1, 1, True)


async def test_reading_stops_while_nobody_takes_the_body() -> None:
    go = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        await go.wait()
        await Echo.body(Echo(), receive)

    connection, wire = Home(app, Limits(read_ahead_bytes_max=10)).connect()
    connection.data_received(POST % (b"", 30, b"x" * 10))
    await turns()
    assert not wire.asks_to_pause()
    connection.data_received(b"x")
    assert wire.asks_to_pause()
    connection.data_received(b"x")
    go.set()
    await turns()
    assert not wire.asks_to_pause()


async def test_reading_stops_while_requests_wait_behind_one() -> None:
    app = Echo()
    app.answer_after.clear()
    connection, wire = Home(app, Limits(read_ahead_bytes_max=10)).connect()
    connection.data_received(GET % b"1")
    connection.data_received(GET % b"2")
    assert wire.asks_to_pause()
    await turns()
    assert len(app.scopes) == 1
    app.answer_after.set()
    await turns(20)
    assert not wire.asks_to_pause()
    assert wire.written == _echoed(b"/1 ") + _echoed(b"/2 ")


async def test_an_answer_that_is_left_short_breaks_the_connection_off() -> None:
    wire = await _sent(GET % b"", app=answering(b"a", fields=[(b"content-length", b"2")]))
    assert (wire.aborted or b" 500 " in wire.written, b" 200 " in wire.written) == (True, False)

    async def short(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})

    wire = await _sent(GET % b"", app=short)
    assert wire.aborted
    assert b"0\r\n\r\n" not in wire.written


async def test_an_application_that_says_nothing_is_answered_for() -> None:
    async def raises(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        raise RuntimeError("broken")

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        pass

    for app in (raises, silent):
        wire = await _sent(GET % b"1" + GET % b"2", app=app)
        assert wire.written.startswith(b"HTTP/1.1 500 ")
        assert wire.written.count(b"HTTP/1.1 ") == 1
        assert wire.over


async def test_a_client_that_goes_away_is_told_of_and_no_error() -> None:
    said: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        await receive()
        said.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        said.append("sent")

    home = Home(app)
    connection, wire = home.connect()
    connection.data_received(GET % b"")
    await turns()
    connection.connection_lost(ConnectionResetError())
    await turns()
    assert (said, wire.written, home.tasks) == (["http.disconnect"], b"", set())


async def test_one_connection_too_many_is_told_so_and_never_read() -> None:
    app = Echo()
    home = Home(app)
    home.room = False
    connection, wire = home.connect()
    connection.data_received(GET % b"")
    await turns()
    assert wire.written.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: " in wire.written
    assert (wire.over, app.scopes) == (True, [])


async def test_draining_ends_a_connection_with_the_answer_under_way() -> None:
    app = Echo()
    app.answer_after.clear()
    home = Home(app)
    connection, wire = home.connect()
    connection.data_received(GET % b"1" + GET % b"2")
    await turns()
    home.draining = True
    connection.drain()
    assert not wire.is_over()
    app.answer_after.set()
    await turns(20)
    assert wire.written == _echoed(b"/1 ", close=True)
    assert wire.over


async def test_draining_lets_an_idle_client_ask_once_more_and_then_goes_without_a_word() -> None:
    home = Home(Echo(), Limits(drain_idle_ms=30))
    silent, wire = home.connect()
    asks, answered = home.connect()
    home.draining = True
    silent.drain()
    asks.drain()
    late, came_late = home.connect()
    asks.data_received(GET % b"1")
    late.data_received(GET % b"2")
    await turns()
    assert answered.written == _echoed(b"/1 ", close=True)
    assert came_late.written == _echoed(b"/2 ", close=True)
    await until(wire.is_over)
    assert wire.written == b""


async def test_a_connection_can_be_aborted() -> None:
    connection, wire = Home(Echo()).connect()
    connection.abort()
    assert wire.aborted


async def test_each_refusal_is_told_with_its_stage() -> None:
    home = Home(Echo())
    head, _ = home.connect()
    head.data_received(b"BROKEN\r\n\r\n")
    body, _ = home.connect()
    body.data_received(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nX\r\n")
    home.app = answering()
    answer, _ = home.connect()
    answer.data_received(GET % b"")
    await turns()
    home.room = False
    home.connect()
    assert [(told.stage.value, told.code, told.status, told.sent.value) for told in home.refusals] == [
        ("head", "request.malformed", 400, "no"),
        ("body", "request.malformed", 400, "unknown"),
        ("answer", "gateway.error", 500, "unknown"),
        ("connection", "gateway.overloaded", 503, "no"),
    ]
    assert {told.address for told in home.refusals} == {"127.0.0.1"}


async def test_trailers_are_handed_over_apart() -> None:
    app = Echo()
    await _sent(CHUNKED, app=app)
    assert app.scopes[0]["extensions"]["guard"]["trailers"] == [(b"guard-key", b"k")]


async def _over_tls(content: bytes) -> tuple[Connection, Wire]:
    connection, wire = Home(Echo()).connect()
    connection.peer.tls = {}
    wire.can_write_eof = lambda: False  # type: ignore[method-assign]
    connection.data_received(content)
    await turns()
    return connection, wire


async def test_over_tls_a_connection_is_closed_with_its_last_answer_unless_the_client_may_still_send() -> None:
    _, wire = await _over_tls(b"GET / HTTP/1.0\r\n\r\n")
    assert (wire.written, wire.closed) == (_echoed(b"/ ", close=True), True)
    connection, wire = await _over_tls(b"BROKEN\r\n\r\n")
    assert wire.written.startswith(b"HTTP/1.1 400 ")
    assert not wire.is_over()
    connection.eof_received()
    assert wire.closed


async def test_over_tls_nothing_stays_open_behind_the_end_of_the_client() -> None:
    connection, _ = await _over_tls(GET % b"")
    assert connection.eof_received() is False


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.2, HTTP/1.1", b"anything"])
async def test_an_upgrade_is_declined_and_what_follows_is_a_request(protocol: bytes) -> None:
    app = Echo()
    upgrade = b"POST /1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: %b\r\nContent-Length: 3\r\n\r\nabc" % protocol
    wire = await _sent(upgrade + GET % b"2", app=app)
    assert wire.written == _echoed(b"/1 abc") + _echoed(b"/2 ")
    http2 = await _sent(upgrade + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", app=app)
    assert http2.written.startswith(_echoed(b"/1 abc") + b"HTTP/1.1 400 ")


async def test_connect_is_refused() -> None:
    wire = await _sent(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" + GET % b"")
    assert wire.written.count(b"HTTP/1.1 ") == 1
    assert wire.written.startswith(b"HTTP/1.1 400 ")


async def test_a_connection_that_is_going_already_is_not_read_from_again() -> None:
    app = Echo()
    app.answer_after.clear()
    connection, wire = Home(app, Limits(read_ahead_bytes_max=10)).connect()
    connection.data_received(b"GET / HTTP/1.0\r\n\r\n")
    connection.data_received(b"x" * 11)
    assert wire.asks_to_pause()
    wire.closed = True
    app.answer_after.set()
    await turns()
    assert wire.asks_to_pause()


def _echo_directly(exchange: Exchange) -> None:
    exchange.answer_whole(200, [b"date: now"], exchange.head.target + b" " + exchange.body)


async def _sent_directly(*segments: bytes, eof: bool = False, direct: Any = _echo_directly) -> tuple[Wire, Home]:
    home = Home(Echo())
    home.direct = direct
    connection, wire = home.connect()
    for segment in segments:
        if not wire.closed:
            connection.data_received(segment)
    if eof and not wire.closed:
        connection.eof_received()
    await turns(40)
    return wire, home


async def test_what_is_answered_at_once_is_answered_in_order_and_what_needs_a_task_in_between() -> None:
    wire, _ = await _sent_directly(GET % b"1" + POST % (b"2", 3, b"abc") + CHUNKED + GET % b"4")
    assert wire.written == _echoed(b"/1 ") + _echoed(b"/2 abc") + _echoed(b"/c abc") + _echoed(b"/4 ")
    assert not wire.over


async def test_a_request_that_came_behind_one_answered_at_once_waits_for_a_turn_and_for_no_end_of_the_client() -> None:
    home = Home(Echo())
    home.direct = _echo_directly
    connection, wire = home.connect()
    connection.data_received(GET % b"1" + (GET % b"2")[:9])
    assert wire.written == _echoed(b"/1 ")
    connection.data_received((GET % b"2")[9:])
    connection.eof_received()
    assert wire.written == _echoed(b"/1 ")
    await turns()
    assert wire.written == _echoed(b"/1 ") + _echoed(b"/2 ", close=True)
    assert wire.over


async def test_a_thousand_requests_of_one_segment_need_no_deeper_stack_than_one() -> None:
    home = Home(Echo())
    home.direct = _echo_directly
    connection, wire = home.connect()
    connection.data_received(GET % b"n" * 1000)
    await turns(1010)
    assert wire.written == _echoed(b"/n ") * 1000


@given(st.lists(st.integers(1, 200), max_size=6))
def test_any_split_gives_the_same_answers_on_the_direct_road(cuts: list[int]) -> None:
    content = GET % b"1" + POST % (b"2", 3, b"abc") + CHUNKED + GET % b"4" + b"nonsense\r\n\r\n"
    bounds = sorted({0, *(cut for cut in cuts if cut < len(content)), len(content)})
    segments = [content[start:end] for start, end in itertools.pairwise(bounds)]

    async def written(*parts: bytes) -> bytes:
        wire, _ = await _sent_directly(*parts)
        return wire.written.partition(b"HTTP/1.1 400")[0]

    assert asyncio.run(written(*segments)) == asyncio.run(written(content)) != b""


async def test_a_client_that_leaves_before_its_answer_leaves_an_orphan_until_that_is_concluded() -> None:
    kept: list[Exchange] = []
    wire, home = await _sent_directly(GET % b"1", direct=kept.append)
    [exchange] = kept
    left: list[str] = []
    exchange.peer.left = lambda: left.append("left")
    exchange._carrier.connection_lost(None)  # type: ignore[attr-defined]
    assert (left, home.orphans) == (["left"], {exchange})
    assert exchange.answer_whole(200, [], b"x") is False
    exchange.concluded()
    assert (home.orphans, wire.written) == (set(), b"")
