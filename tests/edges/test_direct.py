"""The direct road: what it answers at once is what ASGI would be told, and whatever must wait goes on in a task."""

import asyncio
from collections.abc import Awaitable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from guard.model.abuse import Action
from guard.model.facts import Facts
from guard.model.halts import HaltKind
from guard.model.names import KeyId, UnixMs
from guard.model.policy import Urgency
from guard.server.head import RequestHead
from guard.server.peer import Names, Peer
from guard.wire.field_names import field_names
from tests.build import KEY_ID, NOW, ban, facts, halt, signed
from tests.edges.gateway import Front, Response, front, scope
from tests.upstream.asking import until
from tests.upstream.scripted_backend import OK, answering
from tests.upstream.scripted_backend import Peer as BackendPeer

_ok = answering(OK)


@dataclass
class Asked:
    """A request as our own server hands it over, and what it was told."""

    head: RequestHead
    body: bytes
    peer: Peer = field(default_factory=lambda: Peer(Names(("192.0.2.1", 4711), None)))
    answers: list[tuple[int, tuple[bytes, ...], bytes, bool]] = field(default_factory=list)
    sent: list[Any] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    gone: bool = False
    concluded_times: int = 0

    def answer_whole(self, status: int, lines: Sequence[bytes], body: bytes, *, closes: bool = False) -> bool:
        if self.gone:
            return False
        self.answers.append((status, tuple(lines), body, closes))
        return True

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self.gone:
            raise OSError("the client has gone")
        self.sent.append(message)

    def later(self, rest: Awaitable[None]) -> None:
        self.tasks.append(asyncio.ensure_future(_finished(rest)))

    def concluded(self) -> None:
        self.concluded_times += 1

    @property
    def response(self) -> Response:
        """What its client reads, from either road."""
        if self.answers:
            [(status, lines, body, _)] = self.answers
            return Response(status, dict(_split(line) for line in lines), body, whole=True)
        start, *parts = self.sent
        body = b"".join(part["body"] for part in parts)
        return Response(start["status"], dict(start["headers"]), body, whole=not parts[-1]["more_body"])


async def _finished(rest: Awaitable[None]) -> None:
    await rest


def _split(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b": ")
    return name, value


def _asked(message: Facts, body: bytes = b"") -> Asked:
    fields = tuple(scope(message, len(body) if body else None)["headers"])
    head = RequestHead(message.verb, message.target, "1.1", fields, field_names(fields), len(body), plain=True)
    return Asked(head, body)


async def _serve(gateway: Front, asked: Asked) -> Response:
    """Serve it to its end."""
    direct = gateway.gateway.direct
    assert direct is not None
    rest = direct(asked)
    if rest is not None:
        asked.later(rest)
    await until(lambda: bool(asked.answers or asked.tasks))
    await asyncio.gather(*asked.tasks)
    return asked.response


async def _warm(gateway: Front) -> None:
    """Leave a connection to the backend at rest."""
    await gateway.ask(signed(nonce="nonce-0123456789-warm-up"))
    gateway.events.clear()
    gateway.backend.received.clear()


async def test_an_order_goes_out_and_its_answer_comes_back_without_a_task() -> None:
    async with front(_ok) as gateway:
        await _warm(gateway)
        asked = _asked(signed(body=b"x"), b"x")
        response = await _serve(gateway, asked)
        assert (response.status, response.body, response.fields[b"guard-sent"]) == (200, b"hi", b"yes")
        assert (asked.tasks, asked.concluded_times, asked.peer.subject) == ([], 1, KEY_ID)
        assert gateway.pressure.in_flight == 0
        [received] = gateway.backend.received
        assert received.body == b"x"
        [event] = gateway.events
        assert (event.decision, event.status, event.sent, event.bytes_in, event.bytes_out) == (
            "allow",
            200,
            "yes",
            1,
            2,
        )
        assert event.upstream_us is not None


@pytest.mark.parametrize(
    "message",
    [signed(body=b"x"), signed("GET"), facts("POST"), facts("GET", b"/none"), signed("GET", b"/v1/orders?a=1")],
)
async def test_both_roads_send_and_answer_the_same(message: Facts) -> None:
    body = message.body or b""
    async with front(_ok) as gateway:
        await _warm(gateway)
        direct = await _serve(gateway, _asked(message, body))
        sent = [request.head for request in gateway.backend.received]
    async with front(_ok) as gateway:
        await _warm(gateway)
        asgi = await gateway.ask(message, *([body] if body else []), at_hand=bool(body))
        assert [request.head for request in gateway.backend.received] == sent
    asgi.fields.pop(b"content-length", None)
    assert (direct.status, direct.fields, direct.whole) == (asgi.status, asgi.fields, True)
    if direct.status == 200:
        assert direct.body == asgi.body


async def test_a_refusal_is_one_answer_at_once_and_one_event() -> None:
    async with front(_ok) as gateway:
        asked = _asked(facts("POST"))
        response = await _serve(gateway, asked)
        assert (response.status, response.problem["code"]) == (401, "auth.missing")
        assert (asked.tasks, asked.concluded_times, gateway.pressure.in_flight) == ([], 1, 0)
        [event] = gateway.events
        assert (event.decision, event.reason, event.sent) == ("deny", "auth.missing", "no")


@pytest.mark.parametrize(
    ("over", "expected"),
    [((HaltKind.SERVICE, "exchange"), "gateway.halted"), ((HaltKind.ACCOUNT, "acme"), "authz.halted")],
)
async def test_what_is_halted_is_refused_on_the_direct_road_too(over: tuple[HaltKind, str], expected: str) -> None:
    async with front(_ok) as gateway:
        await _warm(gateway)
        gateway.keys.halted = (halt(*over),)
        asked = _asked(signed(body=b"x"), b"x")
        assert (await _serve(gateway, asked)).problem["code"] == expected
        assert (asked.tasks, gateway.backend.received) == ([], [])


async def test_what_is_halted_once_it_was_let_through_is_stopped_before_its_first_byte() -> None:
    async with front(_ok) as gateway:
        await _warm(gateway)

        def halted_now(key_id: KeyId, now: UnixMs) -> None:  # noqa: ARG001
            gateway.keys.halted = (halt(HaltKind.ACCOUNT, "acme"),)

        gateway.keys.touch = halted_now  # type: ignore[method-assign]  # what is done as it is let through
        response = await _serve(gateway, _asked(signed(body=b"x"), b"x"))
        assert (response.problem["code"], response.fields[b"guard-sent"]) == ("authz.halted", b"no")
        assert (gateway.backend.received, gateway.pressure.in_flight) == ([], 0)


async def test_nothing_signed_is_judged_by_a_clock_that_is_not_sure_on_the_direct_road_either() -> None:
    async with front(_ok, clock_is_sure=False) as gateway:
        response = await _serve(gateway, _asked(signed(body=b"x"), b"x"))
        assert (response.status, response.problem["code"]) == (503, "gateway.clock")
        assert gateway.backend.received == []


async def test_an_ambiguous_message_that_says_where_its_body_ends_is_the_last_of_its_connection() -> None:
    async with front(_ok) as gateway:
        asked = _asked(facts("POST", fields=((b"content-type", b"a"), (b"content-type", b"b"))), b"x")
        await _serve(gateway, asked)
        [(status, _, _, closes)] = asked.answers
        assert (status, closes) == (400, True)


async def test_who_is_slowed_waits_in_a_task_and_is_answered_and_others_are_not_kept_from_their_backend() -> None:
    async with front(_ok) as gateway:
        await _warm(gateway)
        slow = ban(name="192.0.2.1", rule=None, service="", action=Action.SLOW, delay_ms=10)
        gateway.board.put(slow, NOW)
        asked = _asked(signed("GET"))
        assert (await _serve(gateway, asked)).status == 200
        assert (len(asked.tasks), gateway.pressure.in_flight, len(gateway.backend.received)) == (1, 0, 1)


async def test_who_is_banned_is_refused_at_once_on_the_direct_road_too() -> None:
    async with front(_ok) as gateway:
        gateway.board.put(ban(name="192.0.2.1", rule=None, service=""), NOW)
        asked = _asked(signed("GET"))
        assert (await _serve(gateway, asked)).problem["code"] == "abuse.ban"
        assert asked.tasks == []


async def test_what_is_shed_waits_for_its_answer_in_a_task() -> None:
    async with front(_ok) as gateway:
        gateway.pressure.in_flight = 1000
        asked = _asked(signed("GET"))
        assert (await _serve(gateway, asked)).status == 503
        assert (len(asked.tasks), gateway.pressure.in_flight) == (1, 1000)
        assert gateway.pressure.strain() > Urgency.CRITICAL


async def test_without_a_connection_at_rest_it_goes_on_in_a_task() -> None:
    async with front(_ok) as gateway:
        asked = _asked(signed(body=b"x"), b"x")
        response = await _serve(gateway, asked)
        assert (response.status, response.body, len(asked.tasks)) == (200, b"hi", 1)
        assert gateway.pressure.in_flight == 0


@pytest.mark.parametrize("length", [100_000, 300_000])
async def test_an_answer_that_comes_in_parts_is_passed_on_as_it_comes(length: int) -> None:
    async def long(peer: BackendPeer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % length + b"x" * length)

    async with front(long) as gateway:
        await _warm(gateway)
        asked = _asked(signed(body=b"x"), b"x")
        response = await _serve(gateway, asked)
        assert (response.status, response.body, response.whole, len(asked.tasks)) == (200, b"x" * length, True, 1)
        assert (len(gateway.events), gateway.pressure.in_flight) == (1, 0)


async def test_an_answer_without_a_body_says_no_length() -> None:
    async def nothing(peer: BackendPeer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with front(nothing) as gateway:
        await _warm(gateway)
        response = await _serve(gateway, _asked(signed(body=b"x"), b"x"))
        assert (response.status, response.body) == (204, b"")
        assert b"content-length" not in response.fields


async def _leaves_the_second(peer: BackendPeer) -> None:
    await peer.request()
    await peer.send(OK)
    if peer.number == 0:
        await peer.request()
        peer.leave()


async def test_a_read_that_a_rested_connection_did_not_answer_is_sent_again_and_an_order_is_not() -> None:
    async with front(_leaves_the_second) as gateway:
        await _warm(gateway)
        assert (await _serve(gateway, _asked(signed("GET")))).status == 200
        assert len(gateway.backend.received) == 2
    async with front(_leaves_the_second) as gateway:
        await _warm(gateway)
        response = await _serve(gateway, _asked(signed(body=b"x"), b"x"))
        assert (response.status, response.fields[b"guard-sent"]) == (502, b"unknown")
        assert len(gateway.backend.received) == 1


async def _answers_late(peer: BackendPeer) -> None:
    await peer.request()
    await peer.send(OK)
    await peer.request()
    await asyncio.sleep(0.05)
    await peer.send(OK)


async def test_a_read_whose_client_leaves_is_given_up_and_logged() -> None:
    async with front(_answers_late) as gateway:
        await _warm(gateway)
        asked = _asked(signed("GET"))
        assert gateway.gateway.direct is not None
        assert gateway.gateway.direct(asked) is None
        asked.gone = True
        asked.peer.leave()
        await asyncio.gather(*asked.tasks)
        assert (asked.answers, gateway.pressure.in_flight) == ([], 0)
        [event] = gateway.events
        assert (event.reason, event.sent, event.error) == ("request.incomplete", "unknown", "the client left")


async def test_an_order_is_finished_and_logged_even_if_its_client_leaves() -> None:
    async with front(_answers_late) as gateway:
        await _warm(gateway)
        asked = _asked(signed(body=b"x"), b"x")
        assert gateway.gateway.direct is not None
        assert gateway.gateway.direct(asked) is None
        assert asked.peer.left is None
        asked.gone = True
        await until(lambda: asked.concluded_times == 1)
        [event] = gateway.events
        assert (event.decision, event.status, event.sent) == ("allow", 200, "yes")


async def test_whatever_fails_unforeseen_is_refused_and_counted() -> None:
    async with front(_ok) as gateway:
        gateway.keys.find = None  # type: ignore[method-assign,assignment]  # a bug of ours
        asked = _asked(signed(body=b"x"), b"x")
        response = await _serve(gateway, asked)
        assert (response.status, msgspec.json.decode(response.body)["code"]) == (500, "gateway.error")
        assert (gateway.failures, gateway.backend.received, gateway.pressure.in_flight) == ([1], [], 0)


async def test_an_answer_that_cannot_be_passed_on_is_refused_and_counted() -> None:
    async with front(_ok) as gateway:
        await _warm(gateway)
        asked = _asked(signed(body=b"x"), b"x")
        asked.answer_whole = None  # type: ignore[method-assign,assignment]  # a bug of ours
        response = await _serve(gateway, asked)
        assert (response.status, gateway.failures, gateway.pressure.in_flight) == (500, [1], 0)


COSTLY = b"HTTP/1.1 200 OK\r\nguard-cost: 2\r\ncontent-length: 2\r\n\r\nhi"


async def test_what_an_answer_says_that_it_cost_is_settled_and_told_to_nobody() -> None:
    async with front(answering(COSTLY)) as gateway:
        await _warm(gateway)  # one of the three tokens
        response = await _serve(gateway, _asked(signed(path=b"/v1/search")))
        assert (response.status, b"guard-cost" in response.fields) == (200, False)
        assert response.fields[b"ratelimit"] == b'"key";r=1;t=1', "as it was held"
        assert [event.cost for event in gateway.events] == [2]
        refused = await _serve(gateway, _asked(signed(nonce="nonce-0123456789-another")))
        assert (refused.status, refused.fields[b"guard-reason"]) == (429, b"limit.key")


async def test_the_number_that_an_answer_tells_for_signals_is_noted_on_either_road_and_told_to_nobody() -> None:
    async with front(answering(OK.replace(b"\r\n", b"\r\nguard-fills: 7\r\n", 1))) as gateway:
        await _warm(gateway)
        response = await _serve(gateway, _asked(signed()))
        assert (response.status, b"guard-fills" in response.fields) == (200, False)
        assert [outcome.told for outcome in gateway.outcomes] == [{b"guard-fills": 7}] * 2
