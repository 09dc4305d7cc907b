"""A refusal as the client gets to see it."""

from typing import Any

from guard.edges.render import Responder
from guard.model.decision import Deny
from guard.model.exchange import Sent
from guard.model.names import RequestId


class Wire:
    """What was sent."""

    def __init__(self, *, gone: bool = False) -> None:
        self.messages: list[Any] = []
        self._gone = gone

    async def send(self, message: Any) -> None:
        if self._gone:
            raise OSError
        self.messages.append(message)


async def _refused(wire: Wire, *, head: bool = False, close: bool = False) -> Responder:
    responder = Responder(wire.send)
    deny = Deny(code="route.unknown")
    await responder.refuse(deny, RequestId("req_1"), Sent.NO, service="guard", head=head, close=close)
    return responder


async def test_a_refusal_is_one_start_and_one_last_part() -> None:
    wire = Wire()
    responder = await _refused(wire)
    start, body = wire.messages
    assert (start["type"], start["status"]) == ("http.response.start", 404)
    assert (b"guard-reason", b"route.unknown") in start["headers"]
    assert body["more_body"] is False
    assert (responder.started, responder.status, responder.bytes_out) == (True, 404, len(body["body"]))


async def test_head_gets_the_fields_alone() -> None:
    wire = Wire()
    await _refused(wire, head=True)
    assert wire.messages[1]["body"] == b""


async def test_a_connection_that_must_end_says_so() -> None:
    for close in (True, False):
        wire = Wire()
        await _refused(wire, close=close)
        assert ((b"connection", b"close") in wire.messages[0]["headers"]) is close


async def test_a_client_that_has_gone_is_no_error() -> None:
    responder = await _refused(Wire(gone=True))
    assert responder.started
