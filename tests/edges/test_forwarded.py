"""Forwarded and answered, and the backend's word never bent."""

import asyncio
import socket

import pytest

from guard.edges.forwarded import Backends
from guard.model.keys import KeyRecord, KeyState
from guard.model.names import KeyId, UnixMs
from guard.model.questions import Unavailable
from guard.model.upstream_policy import BreakerPolicy
from guard.upstream.backend import Backend
from tests.build import facts, record, service, signed
from tests.edges.gateway import Front, front
from tests.upstream.asking import until
from tests.upstream.build_allow import monotonic_ms, upstream
from tests.upstream.scripted_backend import OK, Peer, Script, answering

_ok = answering(OK)


async def test_an_open_route_streams_its_body_and_names_nobody() -> None:
    async with front(_ok) as gateway:
        response = await gateway.ask(facts("PUT", b"/open", body=None), b"one", b"two")
        assert response.status == 200
        [received] = gateway.backend.received
        assert received.body == b"onetwo"
        assert received.value(b"guard-account") is None


async def test_an_upload_that_grows_beyond_its_route_is_refused() -> None:
    async with front(_ok) as gateway:
        message = facts("PUT", b"/open", fields=((b"transfer-encoding", b"chunked"),))
        answer = await gateway.ask(message, *[b"x" * 1000] * 3, announced=False)
        assert (answer.status, answer.fields[b"guard-sent"]) == (413, b"unknown")


async def test_a_backend_that_cannot_be_reached_was_sent_nothing_and_the_tokens_are_given_back() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with front(_ok, url=f"http://127.0.0.1:{taken.getsockname()[1]}") as gateway:
            answers = [await gateway.ask(signed(nonce=f"nonce-{number:020d}")) for number in range(5)]
    assert [(a.status, a.fields[b"guard-sent"]) for a in answers] == [(502, b"no")] * 5
    assert answers[0].problem["code"] == "upstream.unreachable"


async def test_a_backend_that_does_not_answer_may_have_it() -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.ended()

    async with front(silent) as gateway:
        answer = await gateway.ask(signed())
        assert (answer.status, answer.fields[b"guard-sent"]) == (504, b"unknown")
        assert b"retry-after" not in answer.fields
        assert "retry_after_ms" not in answer.problem
        [event] = gateway.events
        assert (event.decision, event.reason, event.sent) == ("allow", "upstream.timeout", "unknown")
        assert event.upstream_us is not None
        assert event.upstream_us > 250_000
        assert event.guard_us is not None
        assert event.guard_us < 250_000


async def _silent(peer: Peer) -> None:
    await peer.request()
    await peer.ended()


async def _breaks_off(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart")


@pytest.mark.parametrize(("script", "status"), [(_ok, 200), (_silent, 504), (_breaks_off, 502)])
async def test_however_an_exchange_ends_its_slots_are_free_again(script: Script, status: int) -> None:
    async with front(script) as gateway:
        for number in range(2):
            message = signed("POST", b"/v1/pending", nonce=f"nonce-{number:020d}")
            assert (await gateway.ask(message)).status == status


async def test_whatever_is_refused_gives_the_slot_of_its_address_back() -> None:
    async with front(_ok) as gateway:
        assert (await gateway.ask(signed("POST", b"/v1/pending", secret=b"forged"))).status == 401
        assert (
            await gateway.ask(signed("POST", b"/v1/pending", body=b"broken off"), b"broken", gone=True)
        ).status == 400
        assert (await gateway.ask(signed("POST", b"/v1/pending"))).status == 200


async def test_a_client_that_stalls_its_own_upload_is_late_and_not_its_backend() -> None:
    chunked = ((b"transfer-encoding", b"chunked"),)
    async with front(_ok) as gateway:
        answer = await gateway.ask(facts("PUT", b"/open", fields=chunked), b"begins", stalls=True, announced=False)
        assert (answer.status, answer.problem["code"]) == (408, "request.timeout")


async def test_an_answer_that_breaks_off_before_its_first_byte_is_a_502_that_says_that_it_was_sent() -> None:
    async def breaks(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        await asyncio.sleep(0.05)  # so that the head is read by itself
        await peer.send(b"zz\r\n")

    async with front(breaks) as gateway:
        answer = await gateway.ask(signed())
        assert (answer.status, answer.problem["code"]) == (502, "upstream.broken")
        assert answer.fields[b"guard-sent"] == b"yes"
        assert gateway.events[0].reason == "upstream.broken"


async def _stalls(peer: Peer) -> None:
    await peer.request()
    await peer.ended()


async def test_a_read_whose_client_leaves_is_given_up_and_logged() -> None:
    async with front(_stalls) as gateway:
        asking = asyncio.create_task(gateway.ask(signed("GET")))
        await until(lambda: len(gateway.backend.received) == 1)
        _leave(gateway)
        async with asyncio.timeout(0.2):  # a backend has 300 ms to answer
            await asking
            await until(lambda: not gateway.backend.tasks)
        [event] = gateway.events
        assert (event.decision, event.reason, event.sent) == ("allow", "request.incomplete", "unknown")
        assert event.error == "the client left"


async def test_a_read_whose_client_leaves_during_the_answer_is_logged_as_begun() -> None:
    async def stalls(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 100_000)
        await peer.ended()

    async with front(stalls) as gateway:
        asking = asyncio.create_task(gateway.ask(signed("GET")))
        await asyncio.sleep(0.1)  # the answer has begun, and lasts for 600 ms
        _leave(gateway)
        answer = await asking
        assert (answer.status, answer.whole) == (200, False)
        [event] = gateway.events
        assert (event.status, event.reason, event.sent, event.error) == (200, None, "yes", "the client left")


async def test_a_read_that_is_cancelled_by_somebody_else_is_cancelled() -> None:
    async with front(_stalls) as gateway:
        asking = asyncio.create_task(gateway.ask(signed("GET")))
        await until(lambda: len(gateway.backend.received) == 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert gateway.connection.left is None


async def test_an_order_is_finished_even_if_its_client_leaves() -> None:
    async def late(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(0.03)
        await peer.send(OK)

    async with front(late) as gateway:
        asking = asyncio.create_task(gateway.ask(signed()))
        await until(lambda: len(gateway.backend.received) == 1)
        assert gateway.connection.left is None
        assert (await asking).status == 200


def _leave(gateway: Front) -> None:
    """What our own server does when a client has gone."""
    left, gateway.connection.left = gateway.connection.left, None
    assert left is not None
    left()


async def test_an_answer_that_breaks_off_is_not_presented_as_whole() -> None:
    async def breaks(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 100_000)
        peer.leave()

    async with front(breaks) as gateway:
        answer = await gateway.ask(signed())
        assert answer.status == 200
        assert not answer.whole
        assert gateway.events[0].error is not None


async def test_a_long_answer_passes_through_whole() -> None:
    async def long(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 1_000_000)

    async with front(long) as gateway:
        answer = await gateway.ask(signed())
        assert answer.whole
        assert answer.body == b"x" * 1_000_000


async def test_a_key_revoked_while_waiting_for_a_connection_is_stopped_before_its_first_byte() -> None:
    async with front(_ok) as gateway:
        find, asked = gateway.keys.find, 0

        def revoked_at_the_third_look(key_id: KeyId, now: UnixMs) -> KeyRecord | Unavailable | None:
            nonlocal asked
            asked += 1
            return find(key_id, now) if asked < 3 else record(state=KeyState.DEACTIVATED)

        gateway.keys.find = revoked_at_the_third_look  # type: ignore[method-assign]
        answer = await gateway.ask(signed())
        assert answer.problem["code"] == "auth.revoked_key"
        assert gateway.backend.received == []
        assert gateway.events[0].decision == "deny"


async def test_what_stands_in_the_way_is_what_the_services_backend_says() -> None:
    breaker = BreakerPolicy(failures_percent=50, exchanges_min=1, window_ms=10_000, open_ms=10_000)
    backend = Backend(upstream(9, breaker=breaker), monotonic_ms)
    served = service()
    backends = Backends({served: backend}.__getitem__, None)
    assert backends.obstacle(served) is None
    backend.endpoints[0].count_failure(monotonic_ms())
    assert backends.obstacle(served) == "upstream.breaker_open"
    await backend.aclose()
