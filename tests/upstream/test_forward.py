import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guard.model.decision import Deny
from guard.model.exchange import Sent
from guard.upstream.answer import Answer, UpstreamFailure
from guard.upstream.body_stream import BodyStream
from tests.upstream.asking import Asker, asking, until, whole
from tests.upstream.certificates import certificate_contexts
from tests.upstream.scripted_backend import OK, Peer, Script, answering, closing_after

ORDER = b"/v1/orders"
DENY = Deny(code="auth.stale")


async def test_backend_gets_the_exact_target_the_fields_in_order_and_no_others() -> None:
    async with asking(answering(OK)) as it:
        answer = await it.ask("GET", b"/v1/a%2Fb", query=b"x=1&&y=%zz?")
        assert (answer.status, answer.reason, answer.fields) == (200, b"OK", [(b"content-length", b"2")])
        assert (answer.body, answer.trailers) == (b"hi", [])
        assert it.backend.received[0].head == (
            b"GET /v1/a%2Fb?x=1&&y=%zz? HTTP/1.1\r\nhost: gateway.test\r\naccept: */*"
        )


async def test_connection_is_used_again_after_a_clean_exchange() -> None:
    async with asking(answering(OK)) as it:
        for _ in range(5):
            await it.ask()
            await it.ask("POST", ORDER, b"{}")
        assert (it.backend.connections, len(it.backend.received)) == (1, 10)


async def test_last_used_connection_is_used_first() -> None:
    numbers = []

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            numbers.append(peer.number)
            await asyncio.sleep(0.01)
            await peer.send(OK)

    async with asking(script) as it:
        await asyncio.gather(*(it.ask() for _ in range(3)))
        last = numbers[-1]
        numbers.clear()
        for _ in range(4):
            await it.ask()
        assert len(set(numbers)) == 1
        assert it.backend.connections == 3
        assert last in {0, 1, 2}


async def test_denial_directly_before_sending_sends_nothing_and_keeps_the_connection() -> None:
    async with asking(answering(OK)) as it:
        assert await it.outcome("POST", ORDER, b"{}", still=lambda: DENY) == DENY
        assert it.backend.received == []
        await it.ask()
        assert it.backend.connections == 1


async def test_fault_of_the_line_loses_no_connection() -> None:
    def fault() -> Deny | None:
        raise ZeroDivisionError

    async with asking(answering(OK), connections_max=1) as it:
        with pytest.raises(ZeroDivisionError):
            await it.ask(still=fault)
        await it.ask()
        assert it.backend.start_lines == [b"GET /v1/time HTTP/1.1"]


# Where an answer ends.


@pytest.mark.parametrize(
    ("verb", "wire", "status"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n", 200),
        ("GET", b"HTTP/1.1 204 None\r\n\r\n", 204),
        ("GET", b"HTTP/1.1 304 Same\r\ncontent-length: 2000\r\n\r\n", 304),
    ],
)
async def test_answers_without_body_end_at_their_head_and_leave_the_connection_fit(
    verb: str, wire: bytes, status: int
) -> None:
    async with asking(answering(wire, OK)) as it:
        answer = await it.ask(verb)
        assert (answer.status, answer.body) == (status, b"")
        assert (await it.ask()).body == b"hi"
        assert it.backend.connections == 1


async def test_chunks_and_trailers_in_one_segment_come_whole() -> None:
    wire = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n"
    async with asking(answering(wire)) as it:
        answer = await it.ask()
        assert (answer.body, answer.trailers) == (b"hi", [(b"x-sum", b"7")])
        assert answer.fields == [(b"transfer-encoding", b"chunked")]
        await it.ask()
        assert it.backend.connections == 1


async def test_chunks_that_come_one_by_one_are_passed_on_one_by_one_and_trailers_kept_apart() -> None:
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await go_on.wait()
        await peer.send(b"1\r\n!\r\n0\r\nx-sum: 7\r\n\r\n")
        await peer.request()
        await peer.send(OK)

    async with asking(script) as it:
        answer = await it.ask()
        assert isinstance(answer.body, BodyStream)
        assert await anext(answer.body) == b"hi"
        go_on.set()
        assert [chunk async for chunk in answer.body] == [b"!"]
        assert answer.trailers == [(b"x-sum", b"7")]
        await it.ask()
        assert it.backend.connections == 1


async def test_small_body_in_a_later_segment_still_comes_in_one_piece() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n")
        await asyncio.sleep(0.02)
        await peer.send(b"late")
        await peer.ended()

    async with asking(script) as it:
        assert (await it.ask()).body == b"late"


async def test_body_without_length_ends_with_the_connection() -> None:
    async with asking(closing_after(b"HTTP/1.1 200 OK\r\n\r\nall of it")) as it:
        assert await whole(await it.ask()) == b"all of it"
        assert await whole(await it.ask()) == b"all of it"
        assert it.backend.connections == 2


async def test_body_without_length_that_ends_in_a_reset_is_not_whole() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\na part")
        await asyncio.sleep(0.02)
        peer.reset()

    async with asking(script) as it:
        failure = await it.failure()
        assert (failure.code, failure.sent) == ("upstream.broken", Sent.YES)


@pytest.mark.parametrize("wire", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"])
async def test_informational_answers_are_swallowed(wire: bytes) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(wire)
            await asyncio.sleep(0.01)
            await peer.send(wire + OK)

    async with asking(script) as it:
        for _ in range(2):
            answer = await it.ask()
            assert (answer.status, answer.fields, answer.body) == (200, [(b"content-length", b"2")], b"hi")
        assert it.backend.connections == 1


# What is no answer.


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 2OO OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi",
        b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 201 + b"\r\n",
        b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3000,
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n",
    ],
)
async def test_order_answered_with_nonsense_is_unknown_and_its_connection_closed(wire: bytes) -> None:
    async with asking(closing_after(wire), connections_max=1) as it:
        failure = await it.failure("POST")
        assert (failure.code, failure.sent) == ("upstream.broken", Sent.UNKNOWN)
        assert len(it.backend.received) == 1
        await it.failure("POST")
        assert it.backend.connections == 2


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ncontent-length: 500000\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhiXX",
    ],
)
async def test_part_of_an_answer_is_never_the_whole(wire: bytes) -> None:
    async with asking(closing_after(wire)) as it:
        failure = await it.failure("POST")
        assert failure.code == "upstream.broken"
        assert failure.sent in (Sent.YES, Sent.UNKNOWN)
        assert len(it.backend.received) == 1


@pytest.mark.parametrize(
    "step", ["accepted", "head", "part of an answer's head", "head of an answer", "part of a body"]
)
async def test_reset_at_every_step_fails_with_what_is_known(step: str) -> None:
    async def script(peer: Peer) -> None:
        if step != "accepted":
            await peer.request()
        if step == "part of an answer's head":
            await peer.send(b"HTTP/1.1 200")
        if step in ("head of an answer", "part of a body"):
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n")
        if step == "part of a body":
            await peer.send(b"x" * 1000)
        await asyncio.sleep(0.02)
        peer.reset()

    async with asking(script) as it:
        failure = await it.failure("POST")
        answered = step in ("head of an answer", "part of a body")
        assert (failure.code, failure.sent) == ("upstream.broken", Sent.YES if answered else Sent.UNKNOWN)
        assert it.backend.connections == 1


@pytest.mark.parametrize("junk", [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", b"x", b"\r\n\r\nx"])
@pytest.mark.parametrize("delay_s", [0, 0.02])
async def test_bytes_after_the_end_reach_nobody(junk: bytes, delay_s: float) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if delay_s:
            await peer.send(OK)
            await asyncio.sleep(delay_s)
            await peer.send(junk)
        else:
            await peer.send(OK + junk)
        await peer.ended()

    async with asking(script) as it:
        for _ in range(3):
            assert (await it.ask("POST", ORDER, b"{}")).body == b"hi"
            await asyncio.sleep(2 * delay_s)
        assert it.backend.connections == 3


async def test_body_that_a_backend_sends_to_head_reaches_nobody() -> None:
    async with asking(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", OK)) as it:
        assert (await it.ask("HEAD")).body == b""
        assert (await it.ask()).body == b"hi"
        assert it.backend.connections == 2


# The keep-alive race, and what is sent twice.


async def test_read_whose_rested_connection_was_closed_is_sent_once_more_on_a_fresh_one() -> None:
    async with asking(_closing_on_second_request()) as it:
        await it.ask()
        assert (await it.ask()).body == b"hi"
        assert (it.backend.connections, len(it.backend.received)) == (2, 3)


async def test_second_sending_takes_no_used_connection_even_from_the_queue() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await asyncio.sleep(0.02)
        if peer.number:
            await peer.send(OK)

    async with asking(script, connections_max=1) as it:
        await it.ask()
        first, second = asyncio.create_task(it.ask()), asyncio.create_task(it.ask())
        await asyncio.gather(first, second)
        assert (it.backend.connections, len(it.backend.received)) == (3, 4)


async def test_order_is_never_sent_twice() -> None:
    async with asking(_closing_on_second_request()) as it:
        await it.ask()
        failure = await it.failure("POST")
        assert (failure.code, failure.sent) == ("upstream.broken", Sent.UNKNOWN)
        assert it.backend.start_lines == [b"GET /v1/time HTTP/1.1", b"POST /v1/time HTTP/1.1"]


async def test_method_does_not_make_an_order_a_read() -> None:
    async with asking(_closing_on_second_request()) as it:
        await it.ask()
        assert (await it.failure("GET", reads=False)).sent == Sent.UNKNOWN
        assert len(it.backend.received) == 2


async def test_read_is_not_sent_a_third_time() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.send(OK)
            await peer.request()

    async with asking(script) as it:
        await it.ask()
        assert (await it.failure()).sent == Sent.UNKNOWN
        assert len(it.backend.received) == 3


async def test_read_on_a_connection_that_never_rested_is_not_sent_again() -> None:
    async with asking(closing_after(b"")) as it:
        assert (await it.failure()).code == "upstream.broken"
        assert len(it.backend.received) == 1


async def test_read_whose_backend_said_something_is_not_sent_again() -> None:
    async with asking(_closing_on_second_request(b"HTTP/1.1 2")) as it:
        await it.ask()
        assert (await it.failure()).sent == Sent.UNKNOWN
        assert len(it.backend.received) == 2


async def test_read_with_a_streamed_body_is_not_sent_again() -> None:
    async with asking(_closing_on_second_request()) as it:
        await it.ask()
        failure = await it.failure("POST", reads=True, body=_pieces(b"abc"), **_ANNOUNCED_3)
        assert failure.sent == Sent.UNKNOWN
        assert len(it.backend.received) == 2


async def test_line_is_asked_again_before_the_second_sending() -> None:
    verdicts = iter([None, None, DENY])
    async with asking(_closing_on_second_request()) as it:
        await it.ask(still=lambda: next(verdicts))
        with pytest.raises(UpstreamFailure) as failure:
            await it.ask(still=lambda: next(verdicts))
        assert failure.value.sent == Sent.UNKNOWN  # it did go out once: a Deny would say that nothing did
        assert len(it.backend.received) == 2


async def test_read_that_finds_no_room_for_the_second_sending_is_unknown() -> None:
    holding = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.send(OK)
            await peer.request()
            await asyncio.sleep(0.05)
            return
        await holding.wait()

    async with asking(script, connections_max=1, connect_ms=150) as it:
        await it.ask()
        first = asyncio.create_task(it.failure())
        await until(lambda: len(it.backend.received) == 2)
        second = asyncio.create_task(it.failure(total_ms=500))
        failure = await first
        assert (failure.code, failure.sent) == ("upstream.broken", Sent.UNKNOWN)
        assert (await second).code == "upstream.timeout"


async def test_order_is_not_written_to_a_connection_that_the_backend_has_left() -> None:
    async with asking(answering(OK)) as it:
        await it.ask("POST", ORDER, b"{}")
        it.backend.peers[0].leave()  # the loop has not turned since, so only the kernel knows
        assert (await it.ask("POST", ORDER, b"{}")).status == 200
        assert (it.backend.connections, len(it.backend.received)) == (2, 2)


async def test_idle_connection_is_closed_after_its_limit_and_not_used_again() -> None:
    async with asking(answering(OK), idle_ms=50) as it:
        await it.ask()
        await until(lambda: not it.backend.tasks)
        await it.ask()
        assert it.backend.connections == 2


# Deadlines.


async def test_slow_head_is_a_timeout_and_closes_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        assert await peer.ended()

    async with asking(script, response_ms=60) as it:
        failure = await it.failure()
        assert (failure.code, failure.sent) == ("upstream.timeout", Sent.UNKNOWN)
        assert len(it.backend.received) == 1


@pytest.mark.parametrize("wire", [b"content-length: 5", b"content-length: 500000", b"transfer-encoding: chunked"])
@pytest.mark.parametrize("shorter", ["route", "backend"])
async def test_whole_exchange_ends_within_the_shorter_total(wire: bytes, shorter: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % wire)
        await peer.ended()

    limits = {"route": (100, 9000), "backend": (9000, 100)}[shorter]
    async with asking(script, total_ms=limits[1], response_ms=50) as it, asyncio.timeout(2):
        failure = await it.failure("POST", total_ms=limits[0])
        assert (failure.code, failure.sent) == ("upstream.timeout", Sent.YES)


async def test_deadline_of_a_quick_exchange_does_not_reach_the_next() -> None:
    async def script(peer: Peer) -> None:
        for delay_s in itertools.repeat(0.04):
            await peer.request()
            await asyncio.sleep(delay_s)
            await peer.send(OK)

    async with asking(script, response_ms=100) as it:
        for _ in range(6):
            await it.ask()
        assert it.backend.connections == 1


async def test_unreachable_backend_gets_nothing() -> None:
    async with asking(answering(OK)) as it:
        it.pool._port = await _closed_port()
        failure = await it.failure("POST")
        assert (failure.code, failure.sent) == ("upstream.unreachable", Sent.NO)


# Early answers.


async def test_early_answer_to_a_large_body_is_passed_on_and_the_connection_closed() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await asyncio.sleep(0.3)

    async with asking(script) as it:
        answer = await it.ask("POST", ORDER, b"x" * 30_000_000)
        assert answer.status == 413
        await it.ask("POST", ORDER, b"x" * 30_000_000)
        assert it.backend.connections == 2


async def test_early_answer_stops_an_upload_and_the_connection_is_closed() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1000
            await asyncio.sleep(0.001)

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 403 No\r\ncontent-length: 4\r\n\r\nnope")
        assert not await peer.ended()

    async with asking(script) as it:
        answer = await it.ask("POST", ORDER, endless())
        assert (answer.status, answer.body) == (403, b"nope")
        stopped_at = taken
        await asyncio.sleep(0.02)
        assert taken == stopped_at
        await it.ask("POST", ORDER, endless())
        assert it.backend.connections == 2


async def test_early_answer_before_a_reset_is_not_lost() -> None:
    async def slow() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000
            await asyncio.sleep(0)

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 403 No\r\ncontent-length: 4\r\n\r\nnope")

    async with asking(script) as it:
        for _ in range(20):
            assert (await it.ask("POST", ORDER, slow())).body == b"nope"


# Streaming.


async def test_large_answer_waits_for_its_reader_and_memory_stays_flat() -> None:
    size = 50_000_000
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            await peer.send(b"x" * 50_000)
            sent += 50_000
        await peer.request()
        await peer.send(OK)

    async with asking(script) as it:
        answer = await it.ask()
        assert isinstance(answer.body, BodyStream)
        await asyncio.sleep(0.2)
        assert sent < 20_000_000  # what the kernel's buffers took; nobody has read a byte yet
        got = largest = 0
        async for chunk in answer.body:
            got += len(chunk)
            largest = max(largest, len(chunk), answer.body._held_bytes)
        assert got == size
        assert largest <= 512 * 1024
        await it.ask()
        assert it.backend.connections == 1


async def test_upload_waits_for_the_backend() -> None:
    taken = 0
    reading = asyncio.Event()
    size = 40_000_000

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        while taken < size:
            taken += 50_000
            yield b"x" * 50_000

    async def script(peer: Peer) -> None:
        received = await peer.head()
        await reading.wait()
        assert received.value(b"content-length") == b"%d" % size
        await peer.reader.readexactly(size)
        await peer.send(OK)
        await peer.request()
        await peer.send(OK)

    async with asking(script) as it:
        asked = asyncio.create_task(it.ask("POST", ORDER, body(), body_bytes_announced=size))
        await asyncio.sleep(0.2)
        assert 0 < taken < 20_000_000
        reading.set()
        assert (await asked).body == b"hi"
        await it.ask()
        assert it.backend.connections == 1


# Clients that go away.


async def test_no_answer_ever_reaches_another_request_when_clients_go_away() -> None:
    async def script(peer: Peer) -> None:
        while True:
            mark = (await peer.request()).start_line.split(b" ")[1]
            await asyncio.sleep(0.001 * (len(peer.backend.received) % 4))
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (len(mark)) + mark[:3])
            await asyncio.sleep(0)
            await peer.send(mark[3:])

    right = 0

    async def client(it: Asker, number: int) -> None:
        nonlocal right
        mark = b"/%06d" % number
        answer = await it.ask("GET" if number % 2 else "POST", mark)
        assert await whole(answer) == mark
        right += 1

    async with asking(script, connections_max=4, waiting_max=64) as it:
        tasks: list[asyncio.Task[None]] = []
        for number in range(1000):
            tasks.append(asyncio.create_task(client(it, number)))
            if number % 2:
                victim = tasks[-2]
                asyncio.get_running_loop().call_later(0.0005 * (number % 13), victim.cancel)
            if len(tasks) % 20 == 0:
                await asyncio.gather(*tasks[-20:], return_exceptions=True)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [result for result in results if not isinstance(result, asyncio.CancelledError | None)] == []
        assert right >= 500
        assert sum(isinstance(result, asyncio.CancelledError) for result in results) > 100
        await until(lambda: it.pool._slots == len(it.pool._idle))


async def test_cancelled_exchange_closes_its_connection() -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        assert await peer.ended()
        gone.set()

    async with asking(script, connections_max=1) as it:
        asked = asyncio.create_task(it.ask())
        await until(lambda: len(it.backend.received) == 1)
        asked.cancel()
        async with asyncio.timeout(2):
            await gone.wait()
        assert it.pool._slots == 0


async def test_answer_that_nobody_reads_to_its_end_closes_its_connection() -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await peer.ended()
        gone.set()

    async with asking(script, connections_max=1) as it:
        answer = await it.ask()
        await answer.aclose()
        await answer.aclose()
        async with asyncio.timeout(2):
            await gone.wait()
        assert it.pool._slots == 0


async def test_client_that_breaks_off_its_body_breaks_off_the_request() -> None:
    cut = asyncio.Event()

    class ClientBrokeError(Exception):
        pass

    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        raise ClientBrokeError

    async def script(peer: Peer) -> None:
        await peer.head()
        assert await peer.reader.read() == b"4\r\nhalf\r\n"
        cut.set()

    async with asking(script) as it:
        with pytest.raises(ClientBrokeError):
            await it.ask("POST", ORDER, body())
        async with asyncio.timeout(2):
            await cut.wait()
        assert it.pool._slots == 0


# TLS.


async def test_https_backend_is_verified(tmp_path: Path) -> None:
    server, trusting = certificate_contexts(tmp_path)
    async with asking(answering(OK), tls=(server, trusting), url="https://127.0.0.1:1") as it:
        it.pool._port = it.backend.port
        for _ in range(2):
            assert (await it.ask("POST", ORDER, b"{}")).body == b"hi"
        assert len(it.backend.received) == 2


async def test_https_backend_that_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    server, _ = certificate_contexts(tmp_path)
    async with asking(answering(OK), tls=(server, ssl.create_default_context()), url="https://127.0.0.1:1") as it:
        it.pool._port = it.backend.port
        failure = await it.failure("POST")
        assert (failure.code, failure.sent) == ("upstream.unreachable", Sent.NO)
        assert it.backend.received == []


async def test_answer_is_not_a_denial() -> None:
    async with asking(answering(OK)) as it:
        assert isinstance(await it.outcome(), Answer)


def _closing_on_second_request(said: bytes = b"") -> Script:
    """The first connection answers once and closes on the second request, perhaps in the middle of a word."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        if peer.number == 0:
            await peer.send(said)
            return
        await peer.send(OK)

    return script


_ANNOUNCED_3 = {"body_bytes_announced": 3}


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def _closed_port() -> int:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
