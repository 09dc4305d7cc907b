import asyncio

import pytest

from guard.model.exchange import Sent
from guard.upstream.answer import UpstreamFailure
from guard.upstream.body_stream import BodyStream
from tests.upstream.asking import asking, until, whole
from tests.upstream.build_allow import monotonic_ms
from tests.upstream.scripted_backend import OK, Peer, Script, answering


async def test_there_are_never_more_connections_than_the_policy_says() -> None:
    async with asking(_slow(0.005), connections_max=3, waiting_max=100) as it:
        await asyncio.gather(*(it.ask("POST") for _ in range(60)))
        assert (it.backend.connections, len(it.backend.received)) == (3, 60)


async def test_waiters_are_served_in_order() -> None:
    async with asking(_slow(0.002), connections_max=1, waiting_max=50) as it:
        await asyncio.gather(*(it.ask("POST", b"/%d" % number) for number in range(30)))
        paths = [line.split(b" ")[1] for line in it.backend.start_lines]
        assert paths == [b"/%d" % number for number in range(30)]


async def test_one_waiter_too_many_is_refused_at_once_and_nothing_sent() -> None:
    async with asking(_slow(0.1), connections_max=1, waiting_max=1) as it:
        first, second = asyncio.create_task(it.ask()), asyncio.create_task(it.ask())
        await until(lambda: len(it.pool._waiting) == 1)
        failure = await it.failure("POST")
        assert (failure.code, failure.sent) == ("gateway.overloaded", Sent.NO)
        await asyncio.gather(first, second)
        assert len(it.backend.received) == 2


async def test_waiting_ends_in_time_and_nothing_is_sent() -> None:
    async with asking(_slow(0.3), connections_max=1, connect_ms=50) as it:
        first = asyncio.create_task(it.ask())
        await until(lambda: len(it.backend.received) == 1)
        failure = await it.failure("POST")
        assert (failure.code, failure.sent) == ("gateway.overloaded", Sent.NO)
        assert len(it.pool._waiting) == 0
        await first
        await it.ask()
        assert len(it.backend.received) == 2


async def test_waiting_ends_with_the_request_s_own_time() -> None:
    async with asking(_slow(0.3), connections_max=1) as it:
        first = asyncio.create_task(it.ask())
        await until(lambda: len(it.backend.received) == 1)
        assert (await it.failure("POST", total_ms=40)).code == "gateway.overloaded"
        await first


async def test_waiter_gets_the_slot_of_a_connection_that_failed() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(0.02)
        if peer.number:
            await peer.send(OK)

    async with asking(script, connections_max=1) as it:
        first, second = asyncio.create_task(it.failure()), asyncio.create_task(it.ask())
        assert (await first).code == "upstream.broken"
        assert (await second).status == 200


async def test_failed_connect_frees_its_slot_for_the_next() -> None:
    async with asking(answering(OK), connections_max=1) as it:
        origin = it.pool._origin
        port, origin._port = origin._port, 1
        failures = await asyncio.gather(*(it.failure() for _ in range(5)))
        assert {(failure.code, failure.sent) for failure in failures} == {("upstream.unreachable", Sent.NO)}
        origin._port = port
        await it.ask()
        assert it.pool._slots == 1


async def test_cancelled_waiters_and_connects_leak_no_slot() -> None:
    async with asking(_slow(0.003), connections_max=2, waiting_max=100) as it:
        for turn in range(100):
            tasks = [asyncio.create_task(it.ask("POST")) for _ in range(6)]
            await asyncio.sleep(0.0005 * (turn % 9))
            for task in tasks[turn % 3 :: 2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: it.pool._slots == len(it.pool._idle))
        assert (len(it.pool._waiting), it.pool._slots <= 2) == (0, True)
        await asyncio.gather(*(it.ask() for _ in range(4)))


@pytest.mark.parametrize("stranger", [False, True])
@pytest.mark.parametrize("given", ["slot", "connection"])
async def test_what_a_waiter_was_given_while_it_was_cancelled_goes_to_the_next(given: str, stranger: bool) -> None:  # noqa: FBT001
    async with asking(answering(OK), connections_max=1) as it:
        held = await it.pool.take(monotonic_ms() + 1000, stranger=stranger)
        first = asyncio.create_task(it.pool.take(monotonic_ms() + 1000, stranger=stranger))
        second = asyncio.create_task(it.pool.take(monotonic_ms() + 1000, stranger=stranger))
        await until(lambda: it.pool.busy == 3)
        it.pool.came_back(held, clean=given == "connection")
        first.cancel()
        taken = await second
        assert first.cancelled()
        assert (taken is held) == (given == "connection")
        it.pool.came_back(taken, clean=True)
        assert (it.pool._slots, len(it.pool._idle)) == (1, 1)


async def test_waiter_that_was_cancelled_is_passed_over() -> None:
    async with asking(answering(OK), connections_max=1) as it:
        held = await it.pool.take(monotonic_ms() + 1000, stranger=False)
        first = asyncio.create_task(it.pool.take(monotonic_ms() + 1000, stranger=False))
        second = asyncio.create_task(it.pool.take(monotonic_ms() + 1000, stranger=False))
        await until(lambda: len(it.pool._waiting) == 2)
        first.cancel()
        it.pool.came_back(held, clean=True)
        assert await second is held
        it.pool.came_back(held, clean=True)


async def test_waiter_that_was_served_at_the_last_moment_is_served() -> None:
    async with asking(answering(OK), connections_max=1) as it:
        held = await it.pool.take(monotonic_ms() + 1000, stranger=False)
        waiting = asyncio.create_task(it.pool.take(monotonic_ms() + 1000, stranger=False))
        await until(lambda: len(it.pool._waiting) == 1)
        waiter = it.pool._waiting[0]
        it.pool.came_back(held, clean=True)
        it.pool._give_up(it.pool._waiting, waiter)  # the timer fires before the waiter's task has run
        assert await waiting is held
        it.pool.came_back(held, clean=True)


async def test_connection_that_died_on_its_way_to_a_waiter_is_replaced() -> None:
    async with asking(answering(OK), connections_max=1) as it:
        held = await it.pool.take(monotonic_ms() + 1000, stranger=False)
        waiting = asyncio.create_task(it.pool.take(monotonic_ms() + 1000, stranger=False))
        await until(lambda: len(it.pool._waiting) == 1)
        it.pool.came_back(held, clean=True)
        held.data_received(b"nobody asked")
        taken = await waiting
        assert (taken is held, taken.closing, it.pool._slots) == (False, False, 1)
        it.pool.came_back(taken, clean=True)


async def test_connection_that_its_backend_left_on_its_way_to_a_waiter_is_replaced() -> None:
    async with asking(answering(OK), connections_max=1) as it:
        held = await it.pool.take(monotonic_ms() + 1000, stranger=False)
        await until(lambda: it.backend.connections == 1)
        waiting = asyncio.create_task(it.pool.take(monotonic_ms() + 1000, stranger=False))
        await until(lambda: len(it.pool._waiting) == 1)
        it.pool.came_back(held, clean=True)
        it.backend.peers[0].leave()  # the loop has not turned since, so only the kernel knows
        taken = await waiting
        assert (taken is held, held.closing, it.pool._slots) == (False, True, 1)
        it.pool.came_back(taken, clean=True)


async def test_rested_connection_that_dies_is_not_handed_out() -> None:
    async with asking(answering(OK), connections_max=1) as it:
        held = await it.pool.take(monotonic_ms() + 1000, stranger=False)
        it.pool.came_back(held, clean=True)
        held.close()
        assert it.pool.rested(monotonic_ms(), stranger=False, surely=False) is None
        assert it.pool._slots == 0


async def test_connection_that_died_in_its_borrower_s_hands_does_not_rest() -> None:
    async with asking(answering(OK), connections_max=1) as it:
        held = await it.pool.take(monotonic_ms() + 1000, stranger=False)
        held.close()
        it.pool.came_back(held, clean=True)
        assert (it.pool._slots, it.pool._idle) == (0, [])


async def test_connection_that_has_rested_too_long_is_not_handed_out_even_if_the_loop_was_late() -> None:
    async with asking(answering(OK), idle_ms=3000) as it:
        held = await it.pool.take(monotonic_ms() + 1000, stranger=False)
        it.pool.came_back(held, clean=True)
        assert it.pool.rested(monotonic_ms() + 3001, stranger=False, surely=False) is None
        assert (held.closing, it.pool._slots) == (True, 0)


async def test_exchanges_under_way_and_waiting_make_a_pool_busy_and_then_crowded() -> None:
    async with asking(answering(OK), connections_max=1, waiting_max=1) as it:
        pool = it.pool
        seen = [(pool.busy, pool.crowded)]
        held = await pool.take(monotonic_ms() + 1000, stranger=False)
        seen.append((pool.busy, pool.crowded))
        waiting = asyncio.create_task(pool.take(monotonic_ms() + 1000, stranger=False))
        await until(lambda: len(pool._waiting) == 1)
        seen.append((pool.busy, pool.crowded))
        pool.came_back(held, clean=True)
        pool.came_back(await waiting, clean=True)
        seen.append((pool.busy, pool.crowded))
        assert seen == [(0, False), (1, False), (2, True), (0, False)]


async def test_pool_without_a_queue_is_not_crowded_while_a_connection_rests() -> None:
    async with asking(answering(OK), connections_max=1, waiting_max=0) as it:
        held = await it.pool.take(monotonic_ms() + 1000, stranger=False)
        crowded = it.pool.crowded
        it.pool.came_back(held, clean=True)
        assert (crowded, it.pool.crowded) == (True, False)


async def test_connection_that_rested_least_is_handed_out_first() -> None:
    async with asking(answering(OK)) as it:
        one, two = [await it.pool.take(monotonic_ms() + 1000, stranger=False) for _ in range(2)]
        it.pool.came_back(one, clean=True)
        it.pool.came_back(two, clean=True)
        assert it.pool.rested(monotonic_ms(), stranger=False, surely=True) is two
        it.pool.came_back(two, clean=True)


async def test_connection_that_is_wanted_fresh_takes_the_place_of_the_one_that_rested_longest() -> None:
    async with asking(answering(OK), connections_max=2) as it:
        one, two = [await it.pool.take(monotonic_ms() + 1000, stranger=False) for _ in range(2)]
        it.pool.came_back(one, clean=True)
        it.pool.came_back(two, clean=True)
        fresh = await it.pool.take(monotonic_ms() + 1000, stranger=False, fresh=True)
        assert fresh not in (one, two)
        assert (one.closing, two.closing, it.pool._slots) == (True, False, 2)
        it.pool.came_back(fresh, clean=True)


async def test_closing_lets_exchanges_end_and_takes_no_more() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await asyncio.sleep(0.05)
        await peer.send(b"0\r\n\r\n")
        await peer.request()

    async with asking(script, connections_max=1) as it:
        answer = await it.ask()
        waiting = asyncio.create_task(it.failure("POST"))
        await until(lambda: len(it.pool._waiting) == 1)
        closing = asyncio.create_task(it.pool.aclose())
        failure = await waiting
        assert (failure.code, failure.sent) == ("gateway.draining", Sent.NO)
        assert (await it.failure("POST")).code == "gateway.draining"
        assert isinstance(answer.body, BodyStream)
        assert not closing.done()
        assert await whole(answer) == b"hi"
        async with asyncio.timeout(1):  # much less than a connection may rest
            await closing
        await it.pool.aclose()
        assert (it.pool._slots, len(it.backend.received)) == (0, 1)


async def test_closing_closes_what_rests() -> None:
    async with asking(answering(OK)) as it:
        await asyncio.gather(it.ask(), it.ask())
        await it.pool.aclose()
        await until(lambda: not it.backend.tasks)


async def test_strangers_have_half_of_the_connections_and_whoever_has_a_key_gets_the_others() -> None:
    async with asking(_never, connections_max=5, connect_ms=200) as it:
        strangers = [asyncio.create_task(it.ask("POST", stranger=True, total_ms=1500)) for _ in range(8)]
        await until(lambda: sum(task.done() for task in strangers) == 5)
        assert len(it.backend.received) == 3
        failures = [task.exception() for task in strangers if task.done()]
        assert [(failure.code, failure.sent) for failure in failures if isinstance(failure, UpstreamFailure)] == [
            ("gateway.overloaded", Sent.NO)
        ] * 5
        known = [asyncio.create_task(it.ask("POST", total_ms=1500)) for _ in range(2)]
        await until(lambda: len(it.backend.received) == 5)
        await asyncio.gather(*strangers, *known, return_exceptions=True)


@pytest.mark.parametrize(("waiting", "strain"), [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (7, 2), (8, 3)])
async def test_the_more_wait_for_a_connection_the_more_urgent_a_request_must_be(waiting: int, strain: int) -> None:
    async with asking(answering(OK), connections_max=4, connect_ms=5000) as it:
        pool, end_by_ms = it.pool, monotonic_ms() + 5000
        held = [await pool.take(end_by_ms, stranger=False) for _ in range(4)]
        asked = [asyncio.create_task(pool.take(end_by_ms, stranger=False)) for _ in range(waiting)]
        await until(lambda: pool.busy == 4 + waiting)
        assert pool.strain == strain
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        for connection in held:
            pool.came_back(connection, clean=True)


async def test_strangers_do_not_take_what_rests_beyond_their_half() -> None:
    async with asking(answering(OK), connections_max=2) as it:
        pool, end_by_ms = it.pool, monotonic_ms() + 1000
        two = [await pool.take(end_by_ms, stranger=False) for _ in range(2)]
        for connection in two:
            pool.came_back(connection, clean=True)
        held = pool.rested(monotonic_ms(), stranger=True, surely=False)
        assert held is not None
        assert pool.rested(monotonic_ms(), stranger=True, surely=False) is None
        waiting = asyncio.create_task(pool.take(end_by_ms, stranger=True))
        await until(lambda: len(pool._strangers_waiting) == 1)
        known = pool.rested(monotonic_ms(), stranger=False, surely=False)
        assert known is not None
        pool.came_back(known, clean=True)
        assert not waiting.done()
        pool.came_back(held, clean=True)
        assert await waiting is held
        pool.came_back(held, clean=True)
        assert pool._strangers == 0


async def test_whoever_has_a_key_does_not_wait_behind_strangers() -> None:
    async with asking(answering(OK), connections_max=1) as it:
        pool, end_by_ms = it.pool, monotonic_ms() + 1000
        held = await pool.take(end_by_ms, stranger=False)
        stranger = asyncio.create_task(pool.take(end_by_ms, stranger=True))
        await until(lambda: len(pool._strangers_waiting) == 1)
        known = asyncio.create_task(pool.take(end_by_ms, stranger=False))
        await until(lambda: len(pool._waiting) == 1)
        pool.came_back(held, clean=True)
        assert await known is held
        assert not stranger.done()
        pool.came_back(held, clean=True)
        assert await stranger is held
        pool.came_back(held, clean=True)


async def test_strangers_have_half_of_the_places_in_the_queue_and_all_wait_in_one_bound() -> None:
    async with asking(answering(OK), connections_max=1, waiting_max=4, connect_ms=500) as it:
        pool, end_by_ms = it.pool, monotonic_ms() + 1000
        held = await pool.take(end_by_ms, stranger=False)
        tasks = [asyncio.create_task(pool.take(end_by_ms, stranger=True)) for _ in range(3)]
        await until(tasks[2].done)
        assert (len(pool._strangers_waiting), pool.crowded) == (2, False)
        tasks += [asyncio.create_task(pool.take(end_by_ms, stranger=False)) for _ in range(3)]
        await until(tasks[5].done)
        assert (len(pool._waiting), pool.crowded, pool.busy) == (2, True, 5)
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert {end.code for end in ends if isinstance(end, UpstreamFailure)} == {"gateway.overloaded"}
        pool.came_back(held, clean=True)


async def test_strangers_who_fail_or_leave_give_their_share_back() -> None:
    async with asking(_slow(0.003), connections_max=3, waiting_max=100) as it:
        for turn in range(100):
            tasks = [asyncio.create_task(it.ask("POST", stranger=number % 3 > 0)) for number in range(9)]
            await asyncio.sleep(0.0005 * (turn % 9))
            for task in tasks[turn % 3 :: 2]:
                task.cancel()
            if turn % 10 == 9:
                it.backend.peers[-1].leave()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert it.pool._strangers <= 2
        await until(lambda: it.pool._slots == len(it.pool._idle))
        assert it.pool._strangers == 0


async def test_closing_ends_even_if_an_exchange_does_not() -> None:
    async with asking(_never) as it:
        failing = asyncio.create_task(it.failure("POST"))
        await until(lambda: len(it.backend.received) == 1)
        async with asyncio.timeout(3):  # the exchange has five seconds
            await it.upstream.aclose()
        async with asyncio.timeout(0.5):  # it was broken off, not late
            assert (await failing).sent is Sent.UNKNOWN


async def test_closing_ends_even_if_a_slot_was_lost() -> None:
    async with asking(answering(OK)) as it:
        it.pool._slots += 1
        async with asyncio.timeout(3):
            await it.upstream.aclose()
        it.pool._slots -= 1


async def _never(peer: Peer) -> None:
    await peer.request()
    await peer.ended()


def _slow(delay_s: float) -> Script:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await asyncio.sleep(delay_s)
            await peer.send(OK)

    return script
