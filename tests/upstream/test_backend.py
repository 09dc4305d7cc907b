import asyncio
import functools
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from guard.model.exchange import Sent
from guard.model.upstream_policy import BreakerPolicy, HealthPolicy
from guard.upstream.answer import UpstreamFailure
from guard.upstream.backend import Backend
from guard.upstream.health import FAILURES_MAX
from tests.upstream.asking import Asker, asking, until, whole
from tests.upstream.build_allow import monotonic_ms, upstream
from tests.upstream.scripted_backend import OK, Peer, Script, answering, closing_after

ORDER = b"/v1/orders"
BREAKER = BreakerPolicy(failures_percent=50, exchanges_min=4, window_ms=10_000, open_ms=150)
CHECKS = HealthPolicy(path=b"/healthz", every_ms=10, timeout_ms=200, healthy=2, unhealthy=2)


# Which endpoint is asked.


async def test_endpoints_that_are_equally_idle_take_turns() -> None:
    async with asking(answering(OK), answering(OK), answering(OK)) as it:
        for _ in range(9):
            await it.ask("POST", ORDER, b"{}")
        assert [len(backend.received) for backend in it.behind] == [3, 3, 3]
        assert [backend.connections for backend in it.behind] == [1, 1, 1]


async def test_least_busy_endpoint_is_asked() -> None:
    release = asyncio.Event()

    async def slow(peer: Peer) -> None:
        while True:
            await peer.request()
            await release.wait()
            await peer.send(OK)

    async with asking(slow, answering(OK)) as it:
        held = [asyncio.create_task(it.ask()) for _ in range(2)]
        await until(lambda: len(it.behind[0].received) + len(it.behind[1].received) == 2)
        await until(lambda: it.upstream.endpoints[1].pool.busy == 0)
        for _ in range(6):
            await it.ask()
        assert [len(backend.received) for backend in it.behind] == [1, 7]
        release.set()
        await asyncio.gather(*held)


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_endpoint_that_takes_no_connection_is_passed_over_and_nothing_is_lost(verb: str) -> None:
    async with asking(answering(OK), answering(OK)) as it:
        with _down(it, 0):
            for _ in range(6):
                assert (await it.ask(verb)).status == 200
        assert [len(backend.received) for backend in it.behind] == [0, 6]
        assert it.asked_still == 6  # only before the sending that was one


async def test_endpoint_that_was_set_aside_comes_back() -> None:
    heard: list[tuple[str, str]] = []
    async with asking(answering(OK), answering(OK), notice=lambda *told: heard.append(told)) as it:
        first = it.upstream.endpoints[0]
        with _down(it, 0):
            await it.ask()
        assert not first.health.fit(monotonic_ms())
        first.health.aside_until_ms = monotonic_ms()
        for _ in range(2):
            await it.ask()
        assert [len(backend.received) for backend in it.behind] == [1, 2]
        assert first.health.failures == 0
        assert heard == [("endpoint.set_aside", first.origin.url)]


async def test_endpoint_that_comes_back_is_tried_by_one_request_not_by_all() -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.ended()

    async with asking(silent, answering(OK), connections_max=50) as it:
        health = it.upstream.endpoints[0].health
        health.unreachable(monotonic_ms() - 2000)
        asked = [asyncio.create_task(it.ask(total_ms=200)) for _ in range(20)]
        done = await asyncio.gather(*asked, return_exceptions=True)
        assert len(it.behind[0].received) == 1
        assert [str(one)[:16] for one in done if isinstance(one, BaseException)] == ["upstream.timeout"]
        assert not health.fit(monotonic_ms())


async def test_endpoint_that_breaks_off_repeatedly_is_set_aside() -> None:
    async with asking(closing_after(b""), answering(OK)) as it:
        asked = [await _sent(it) for _ in range(20)]
        assert (asked.count(Sent.UNKNOWN), asked.count(None)) == (FAILURES_MAX, 20 - FAILURES_MAX)
        assert len(it.behind[0].received) == FAILURES_MAX


async def test_order_that_was_sent_is_not_sent_to_another_endpoint() -> None:
    async with asking(closing_after(b""), closing_after(b"")) as it:
        assert (await it.failure("POST")).sent == Sent.UNKNOWN
        assert sum(len(backend.received) for backend in it.behind) == 1


async def test_where_none_is_reachable_nothing_is_sent_and_each_is_tried_once() -> None:
    async with asking(*([answering(OK)] * 5)) as it:
        with _down(it, 0, 1, 2, 3, 4):
            failure = await it.failure("POST")
            assert (failure.code, failure.sent) == ("upstream.unreachable", Sent.NO)
            aside = [not endpoint.health.fit(monotonic_ms()) for endpoint in it.upstream.endpoints]
            assert sum(aside) == 3  # as many as one request tries
        assert sum(len(backend.received) for backend in it.behind) == 0


async def test_endpoint_that_is_set_aside_is_tried_when_all_others_take_no_connection() -> None:
    async with asking(answering(OK), answering(OK), answering(OK)) as it:
        it.upstream.endpoints[1].health.aside_until_ms = monotonic_ms() + 9000
        with _down(it, 0, 2):
            await it.ask("POST", ORDER, b"{}")
        assert [len(backend.received) for backend in it.behind] == [0, 1, 0]


async def test_no_other_endpoint_is_asked_when_the_request_s_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(*_: object, **__: object) -> None:
        await asyncio.sleep(0.03)
        raise UpstreamFailure("upstream.unreachable", Sent.NO, "no connection in time")

    async with asking(answering(OK), answering(OK)) as it:
        for _ in range(2):
            await it.ask()
        rested = it.upstream.endpoints[0].pool.rested(monotonic_ms(), stranger=False, surely=True)
        assert rested is not None
        it.upstream.endpoints[1].health.aside_until_ms = monotonic_ms() + 9000
        monkeypatch.setattr(it.upstream.endpoints[0].origin, "connect", slow)
        failure = await it.failure("POST", total_ms=20)
        assert (failure.code, failure.sent) == ("upstream.unreachable", Sent.NO)
        assert [len(backend.received) for backend in it.behind] == [1, 1]
        assert it.upstream.endpoints[0].health.failures == 0  # it was not given its time
        it.upstream.endpoints[0].pool.came_back(rested, clean=True)


async def test_where_none_is_fit_the_one_that_is_due_back_first_is_asked() -> None:
    async with asking(answering(OK), answering(OK), answering(OK)) as it:
        now_ms = monotonic_ms()
        for endpoint, away_ms in zip(it.upstream.endpoints, (9000, 3000, 6000), strict=True):
            endpoint.health.aside_until_ms = now_ms + away_ms
        await it.ask()
        assert [len(backend.received) for backend in it.behind] == [0, 1, 0]


async def test_only_endpoint_is_asked_whatever_it_failed() -> None:
    async with asking(closing_after(b"")) as it:
        for _ in range(3 * FAILURES_MAX):
            await it.failure("POST")
        assert len(it.backend.received) == 3 * FAILURES_MAX


async def test_read_whose_backend_hung_up_is_sent_once_more_to_another_endpoint() -> None:
    async def once(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.send(OK)
            await peer.request()

    async with asking(once, answering(OK)) as it:
        for _ in range(3):
            assert (await it.ask()).body == b"hi"
        assert [len(backend.received) for backend in it.behind] == [2, 2]
        assert it.upstream.endpoints[0].health.failures == 0  # to leave at rest is no failure


async def test_second_sending_goes_elsewhere_even_if_that_is_busier() -> None:
    release = asyncio.Event()

    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()

    async def slow(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await release.wait()
        await peer.send(OK)

    async with asking(once, slow) as it:
        await it.ask()
        held = asyncio.create_task(it.ask())
        await until(functools.partial(_has_received, it, 2))
        assert (await it.ask()).body == b"hi"
        assert [len(backend.received) for backend in it.behind] == [2, 2]
        release.set()
        await held


async def test_second_sending_does_not_go_to_an_endpoint_that_is_set_aside() -> None:
    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        if peer.number == 0:
            await peer.request()

    async with asking(once, answering(OK)) as it:
        it.upstream.endpoints[1].health.aside_until_ms = monotonic_ms() + 9000
        for _ in range(2):
            await it.ask()
        assert [len(backend.received) for backend in it.behind] == [3, 0]


async def test_endpoint_with_a_rested_connection_takes_over_without_a_new_one() -> None:
    async with asking(answering(OK), answering(OK)) as it:
        for _ in range(2):
            await it.ask()
        it.behind[0].peers[0].leave()
        with _down(it, 0):
            await it.ask("POST", ORDER, b"{}")
        assert [backend.connections for backend in it.behind] == [1, 1]


# What stands before a request.


async def test_nothing_stands_before_a_backend_that_has_room() -> None:
    async with asking(answering(OK), breaker=BREAKER, health=CHECKS) as it:
        assert it.upstream.obstacle() is None
        await it.ask()
        assert it.upstream.obstacle() is None


async def test_strain_is_that_of_the_endpoint_where_fewest_wait() -> None:
    async with asking(answering(OK), answering(OK), connections_max=2, connect_ms=5000) as it:
        first, second = (endpoint.pool for endpoint in it.upstream.endpoints)
        end_by_ms = monotonic_ms() + 5000
        held = [await pool.take(end_by_ms, stranger=False) for pool in (first, first, second, second)]
        asked = [asyncio.create_task(first.take(end_by_ms, stranger=False)) for _ in range(2)]
        await until(lambda: first.busy == 4)
        assert (first.strain, it.upstream.strain()) == (2, 0)
        asked.append(asyncio.create_task(second.take(end_by_ms, stranger=False)))
        await until(lambda: second.busy == 3)
        assert it.upstream.strain() == 1
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        for connection in held:
            connection.home.came_back(connection, clean=True)


async def test_full_queues_are_an_obstacle_only_if_every_endpoint_s_is_full() -> None:
    async with asking(_mute(), _mute(), connections_max=1, waiting_max=0) as it:
        seen = [it.upstream.obstacle()]
        held = []
        for number in (1, 2):
            held.append(asyncio.create_task(it.failure()))
            await until(functools.partial(_has_received, it, number))
            seen.append(it.upstream.obstacle())
        assert seen == [None, None, "gateway.overloaded"]
        assert (await it.failure("POST")).code == "gateway.overloaded"
        for asked in held:
            asked.cancel()


async def test_breaker_opens_lets_one_through_and_closes() -> None:
    well = False
    heard: list[str] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK if well else b"nonsense\r\n\r\n")

    async with asking(script, breaker=BREAKER, notice=lambda event, _: heard.append(event)) as it:
        for _ in range(4):
            assert it.upstream.obstacle() is None
            await it.failure("POST")
        assert it.upstream.obstacle() == "upstream.breaker_open"
        failure = await it.failure("POST")
        assert (failure.code, failure.sent) == ("upstream.breaker_open", Sent.NO)
        assert len(it.backend.received) == 4
        await until(lambda: it.upstream.obstacle() is None)
        first, second = asyncio.create_task(it.failure("POST")), asyncio.create_task(it.failure("POST"))
        assert {(await first).code, (await second).code} == {"upstream.broken", "upstream.breaker_open"}
        well = True
        await until(lambda: it.upstream.obstacle() is None)
        await it.ask("POST", ORDER, b"{}")
        await asyncio.gather(*(it.ask("POST", ORDER, b"{}") for _ in range(5)))
    assert [event for event in heard if event.startswith("breaker")] == [
        "breaker.opened",
        "breaker.closed",
    ]


async def test_unreachable_backend_opens_the_breaker() -> None:
    async with asking(answering(OK), breaker=BREAKER) as it:
        with _down(it, 0):
            for _ in range(4):
                assert (await it.failure("POST")).code == "upstream.unreachable"
        assert it.upstream.obstacle() == "upstream.breaker_open"


async def test_endpoint_that_another_one_stands_in_for_does_not_open_the_breaker() -> None:
    async with asking(answering(OK), answering(OK), breaker=BREAKER) as it:
        with _down(it, 0):
            for _ in range(12):
                it.upstream.endpoints[0].health.aside_until_ms = 0
                await it.ask("POST", ORDER, b"{}")
        assert it.upstream.obstacle() is None


@pytest.mark.parametrize("status", [b"500", b"502", b"503", b"504"])
async def test_honest_answer_is_no_failure_whatever_it_says(status: bytes) -> None:
    async with asking(answering(b"HTTP/1.1 %b X\r\ncontent-length: 0\r\n\r\n" % status), breaker=BREAKER) as it:
        for _ in range(12):
            await it.ask("POST", ORDER, b"{}")
        assert it.upstream.obstacle() is None


async def test_clients_who_leave_open_no_breaker_and_set_nothing_aside() -> None:
    async with asking(_mute(), breaker=BREAKER) as it:
        for number in range(1, 13):
            asked = asyncio.create_task(it.ask("POST", ORDER, b"{}"))
            await until(functools.partial(_has_received, it, number))
            asked.cancel()
            await asyncio.wait((asked,))
        assert (it.upstream.obstacle(), it.upstream.endpoints[0].health.failures) == (None, 0)


async def test_answers_that_clients_do_not_read_open_no_breaker() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await peer.ended()

    async with asking(script, breaker=BREAKER) as it:
        for _ in range(12):
            (await it.ask("POST", ORDER, b"{}")).abandon()
        assert (it.upstream.obstacle(), it.upstream.endpoints[0].health.failures) == (None, 0)


async def test_answers_that_break_off_after_their_head_open_the_breaker() -> None:
    wire = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n"
    async with asking(closing_after(wire), breaker=BREAKER) as it:
        for _ in range(4):
            assert (await it.failure("POST")).code == "upstream.broken"
        assert it.upstream.obstacle() == "upstream.breaker_open"


# Checks.


async def test_endpoint_whose_checks_fail_is_asked_no_more_until_they_pass() -> None:
    well = False
    heard: list[tuple[str, str]] = []

    async def ailing(peer: Peer) -> None:
        while True:
            path = (await peer.request()).start_line.split(b" ")[1]
            await peer.send(OK if well or path != b"/healthz" else b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n")

    async with asking(ailing, answering(OK), health=CHECKS, notice=lambda *told: heard.append(told)) as it:
        first = it.upstream.endpoints[0]
        await until(lambda: not first.health.checked)
        for _ in range(6):
            await it.ask("POST", ORDER, b"{}")
        assert b"POST /v1/orders HTTP/1.1" not in it.behind[0].start_lines
        assert it.upstream.obstacle() is None
        well = True
        await until(lambda: first.health.checked)
        for _ in range(4):
            await it.ask("POST", ORDER, b"{}")
        assert it.behind[0].start_lines.count(b"POST /v1/orders HTTP/1.1") >= 1
        assert heard == [("endpoint.unhealthy", first.origin.url), ("endpoint.healthy", first.origin.url)]


async def test_failing_checks_of_every_endpoint_are_an_obstacle() -> None:
    async with asking(closing_after(b""), closing_after(b""), health=CHECKS) as it:
        await until(lambda: it.upstream.obstacle() is not None)
        await until(lambda: not any(endpoint.health.checked for endpoint in it.upstream.endpoints))
        assert it.upstream.obstacle() == "upstream.unreachable"


async def test_checks_end_when_the_backend_is_closed() -> None:
    async with asking(answering(OK), health=CHECKS) as it:
        await until(lambda: len(it.backend.received) > 1)
        await it.upstream.aclose()
        asked = len(it.backend.received)
        await asyncio.sleep(0.05)
        assert len(it.backend.received) == asked
        assert [task for task in asyncio.all_tasks() if "check_for_ever" in repr(task)] == []


async def test_closing_lets_exchanges_end() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(0.05)
        await peer.send(OK)

    async with asking(script, script) as it:
        asked = [asyncio.create_task(it.ask()) for _ in range(2)]
        await until(lambda: sum(len(backend.received) for backend in it.behind) == 2)
        await it.upstream.aclose()
        assert [await whole(await one) for one in asked] == [b"hi", b"hi"]
        assert (await it.failure("POST")).code == "gateway.draining"


async def test_backend_without_a_listener_for_its_notices_says_nothing() -> None:
    backend = Backend(upstream(urls=("http://127.0.0.1:1",)), monotonic_ms)
    with pytest.raises(UpstreamFailure):
        await backend.reach(backend.endpoints[0], monotonic_ms() + 1000, stranger=False)
    await backend.aclose()


async def _sent(it: Asker) -> Sent | None:
    """How far an order came that failed; None if it was answered."""
    try:
        await it.ask("POST", ORDER, b"{}")
    except UpstreamFailure as failure:
        return failure.sent
    return None


def _mute() -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.ended()

    return script


def _has_received(it: Asker, number: int) -> bool:
    return sum(len(backend.received) for backend in it.behind) == number


@contextmanager
def _down(it: Asker, *numbers: int) -> Iterator[None]:
    """These endpoints take no connection for a while."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # taken, and nobody listens
        origins = [it.upstream.endpoints[number].origin for number in numbers]
        ports = [origin._port for origin in origins]
        for origin in origins:
            origin._port = taken.getsockname()[1]
        yield
        for origin, port in zip(origins, ports, strict=True):
            origin._port = port
