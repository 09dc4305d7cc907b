import asyncio
from collections.abc import AsyncIterator

import pytest

from guard.model.decision import Deny
from guard.model.exchange import Sent
from guard.upstream.answer import UpstreamFailure
from tests.upstream.asking import Asker, asking, until, whole
from tests.upstream.scripted_backend import OK, Peer, Script, answering, closing_after

ORDER = b"/v1/orders"
DENY = Deny(code="auth.stale")


async def test_backend_gets_the_exact_target_the_fields_in_order_and_no_others() -> None:
    async with asking(answering(OK)) as it:
        answer = await it.ask("GET", b"/v1/a%2Fb", query=b"x=1&&y=%zz?")
        assert (answer.status, answer.reason, answer.fields) == (200, b"OK", ((b"content-length", b"2"),))
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

    async with asking(script, connections_max=1, connect_ms=400) as it:
        await it.ask()
        first = asyncio.create_task(it.failure())
        await until(lambda: len(it.backend.received) == 2)
        second = asyncio.create_task(it.failure(total_ms=1000))
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
        answer = await it.ask("GET" if number % 2 else "POST", mark, total_ms=15_000)
        assert await whole(answer) == mark
        right += 1

    async with asking(script, connections_max=4, waiting_max=64, response_ms=10_000) as it:
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
