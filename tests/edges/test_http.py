"""One HTTP request through the line to a backend and back."""

import asyncio

import pytest

from guard.model.names import RequestId, UnixMs
from tests.build import NOW, facts, record, signed
from tests.edges.gateway import front
from tests.upstream.scripted_backend import OK, answering

_ok = answering(OK)


async def test_a_signed_order_reaches_the_backend_with_its_exact_bytes_and_its_identity() -> None:
    async with front(_ok) as gateway:
        response = await gateway.ask(signed(body=b'{"qty": 1}', query=b"a=%2F&b"), b'{"qty"', b": 1}")
        assert (response.status, response.body, response.whole) == (200, b"hi", True)
        [received] = gateway.backend.received
        assert received.start_line == b"POST /v1/orders?a=%2F&b HTTP/1.1"
        assert received.body == b'{"qty": 1}'
        assert received.value(b"guard-account") == b"acme"
        assert received.value(b"guard-key-id") == b"gk_test"
        assert received.value(b"guard-scopes") == b"read trade"
        assert received.value(b"guard-request-id") == b"req_0"
        assert received.value(b"guard-signature") is None
        assert received.value(b"host") == b"gateway.test"


async def test_a_body_that_came_with_its_head_is_judged_and_forwarded_without_asking_for_it() -> None:
    async with front(_ok) as gateway:
        body = b'{"qty": 1}'
        response = await gateway.ask(signed(body=body), body, at_hand=True)
        assert response.status == 200
        [received] = gateway.backend.received
        assert received.body == body
        assert gateway.events[0].bytes_in == len(body)
        other = await gateway.ask(signed(body=body, nonce="nonce-0123456789-another"), b'{"qty": 9}', at_hand=True)
        assert (other.status, other.problem["code"]) == (401, "auth.invalid")
        assert b"connection" not in other.fields


async def test_an_ambiguous_message_that_says_where_its_body_ends_is_the_last_of_its_connection() -> None:
    async with front(_ok) as gateway:
        twice = ((b"content-type", b"a"), (b"content-type", b"b"))
        framed = await gateway.ask(facts("POST", b"/open", fields=twice), b"x", at_hand=True)
        assert (framed.status, framed.fields[b"connection"]) == (400, b"close")
        unframed = await gateway.ask(facts("GET", b"/open", fields=twice))
        assert unframed.status == 400
        assert b"connection" not in unframed.fields


async def test_a_body_at_hand_that_is_larger_than_its_route_takes_is_refused() -> None:
    async with front(_ok) as gateway:
        for announced in (True, False):
            response = await gateway.ask(facts("POST", b"/open"), b"x" * 2000, at_hand=True, announced=announced)
            assert (response.status, response.problem["code"]) == (413, "request.too_large")
        assert gateway.backend.received == []


async def test_the_server_is_told_which_key_a_connection_serves_once_that_is_proved() -> None:
    async with front(_ok) as gateway:
        await gateway.ask(signed(secret=b"forged"))
        assert gateway.connection.subject is None
        await gateway.ask(signed())
        assert gateway.connection.subject == "gk_test"


async def test_a_clients_certificate_reaches_the_backend_and_a_field_of_that_name_does_not() -> None:
    async with front(_ok) as gateway:
        message = facts("GET", b"/open", fields=((b"client-cert", b":Zm9yZ2Vk:"), (b"client_cert_chain", b"x")))
        assert (await gateway.ask(message)).status == 400  # another spelling of an owned name
        message = facts("GET", b"/open", fields=((b"client-cert", b":Zm9yZ2Vk:"), (b"client-cert-chain", b"x")))
        await gateway.ask(message)
        await gateway.ask(message, certificate=b"\x30\x03")
        first, second = gateway.backend.received
        assert (first.value(b"client-cert"), first.value(b"client-cert-chain")) == (None, None)
        assert second.value(b"client-cert") == b":MAM=:"


async def test_a_request_that_is_shed_waits_for_its_answer_and_is_not_in_flight_meanwhile() -> None:
    async with front(_ok) as gateway:
        gateway.pressure.in_flight = 1000
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        asking = asyncio.create_task(gateway.ask(signed()))
        await asyncio.sleep(0.02)
        assert gateway.pressure.in_flight == 1000
        response = await asking
        assert (response.status, response.problem["code"]) == (503, "gateway.overloaded")
        assert response.fields[b"retry-after"] == b"1"
        assert loop.time() - asked_at >= 0.5
        gateway.pressure.in_flight = 0
        assert (await gateway.ask(signed())).status == 200
        assert gateway.pressure.in_flight == 0


async def test_a_refused_request_reaches_no_backend_and_says_so() -> None:
    async with front(_ok) as gateway:
        for message in (facts(), facts(path=b"/nowhere"), signed(secret=b"forged"), facts("GET", b"/open/../v1")):
            response = await gateway.ask(message)
            assert 400 <= response.status < 500
            assert response.fields[b"guard-sent"] == b"no"
            assert response.problem["request_id"] == response.fields[b"guard-request-id"].decode()
        assert gateway.backend.received == []


async def test_a_replay_is_refused_and_told_after_its_signature_verified() -> None:
    async with front(_ok) as gateway:
        assert (await gateway.ask(signed())).status == 200
        replay = await gateway.ask(signed())
        assert (replay.status, replay.problem["code"]) == (401, "auth.replayed")
        assert replay.fields[b"www-authenticate"] == b'Guard realm="exchange", error="auth.replayed"'
        assert len(gateway.backend.received) == 1


async def test_an_exhausted_key_is_told_when_to_come_again() -> None:
    async with front(_ok) as gateway:
        answers = [await gateway.ask(signed(nonce=f"nonce-{number:020d}")) for number in range(5)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
        assert answers[3].problem["code"] == "limit.key"
        assert answers[3].fields[b"retry-after"] == b"1"
        assert len(gateway.backend.received) == 3


async def test_a_client_that_leaves_before_it_is_admitted_is_not_forwarded() -> None:
    async with front(_ok) as gateway:
        await gateway.ask(signed(body=b"xy"), b"x", gone=True)
        assert gateway.backend.received == []
        assert gateway.events[0].reason == "request.incomplete"


async def test_every_decision_is_one_event() -> None:
    async with front(_ok) as gateway:
        await gateway.ask(signed())
        await gateway.ask(signed())
        await gateway.ask(facts(path=b"/nowhere"))
        allowed, replayed, nowhere = gateway.events
        assert (allowed.decision, allowed.status, allowed.sent, allowed.account) == ("allow", 200, "yes", "acme")
        assert (replayed.decision, replayed.reason, replayed.rule) == ("deny", "auth.replayed", "auth (test.yaml:1)")
        assert (nowhere.reason, nowhere.route) == ("route.unknown", None)


async def test_the_target_is_put_together_where_the_server_has_no_extension() -> None:
    async with front(_ok) as gateway:
        assert (await gateway.ask(signed("GET", query=b"b=%2F"), extended=False)).status == 200


async def test_the_log_says_whose_message_was_refused_and_the_account_only_if_that_was_proved() -> None:
    async with front(_ok) as gateway:
        await gateway.ask(signed(at=UnixMs(NOW - 9000)))
        gateway.keys.records[record().id] = record(scopes=frozenset())
        await gateway.ask(signed())
        stale, no_scope = gateway.events
        assert (stale.reason, stale.key, stale.scheme, stale.account) == ("auth.stale", "gk_test", "guard-v1", None)
        assert (no_scope.reason, no_scope.key, no_scope.account) == ("authz.scope", "gk_test", "acme")


@pytest.mark.parametrize("age_ms", [5001, -1001])
async def test_a_clock_that_is_off_is_told_by_how_much(age_ms: int) -> None:
    async with front(_ok) as gateway:
        answer = await gateway.ask(signed(at=UnixMs(NOW - age_ms), request_id=RequestId("req_x")))
        assert answer.problem["server_time_ms"] == NOW
        assert answer.problem["skew_ms"] == age_ms


@pytest.mark.parametrize(("said", "cost"), [(b"2", 2), (b"0", 0), (b"9", 3), (b"-5", 1), (b"1, 1", 1), (b"", 1)])
async def test_what_an_answer_says_that_it_cost_is_settled_within_bounds(said: bytes, cost: int) -> None:
    answer = b"HTTP/1.1 200 OK\r\nguard-cost: " + said + b"\r\ncontent-length: 2\r\n\r\nhi"
    async with front(answering(answer)) as gateway:
        response = await gateway.ask(signed(path=b"/v1/search"))
        assert (response.status, b"guard-cost" in response.fields) == (200, False)
        assert [event.cost for event in gateway.events] == [cost]
        orders = [await gateway.ask(signed(nonce=f"nonce-0123456789-{number:07d}")) for number in range(4)]
        assert [order.status for order in orders] == [200] * (3 - cost) + [429] * (cost + 1)
