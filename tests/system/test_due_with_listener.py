"""What cannot be refused before we have our own listener does no harm until then (`due_with_listener.py`)."""

import pytest

from tests.system.due_with_listener import FORWARDED_TODAY, NOT_SAID, WITHOUT_A_DEADLINE, Hidden
from tests.system.gateway import RunningGateway
from tests.system.raw_http import Connection

pytestmark = pytest.mark.system


def _named(hidden: Hidden) -> str:
    return hidden.name


@pytest.mark.parametrize("hidden", FORWARDED_TODAY, ids=_named)
def test_what_is_hidden_comes_through_once_in_one_clean_form(gateway: RunningGateway, hidden: Hidden) -> None:
    """One answer, one request, complete, in HTTP/1.1 with one framing; and the next request is a request of its own."""
    mark = len(gateway.backend.record)
    with Connection(gateway.port) as connection:
        assert connection.ask(hidden.content).status == 200
    (received,) = gateway.backend.since(mark)
    assert (received.target, received.body, received.complete) == (hidden.target, hidden.body, True)
    assert received.head.split(b"\r\n")[0].endswith(b" HTTP/1.1")
    gateway.assert_alive()


@pytest.mark.parametrize("hidden", WITHOUT_A_DEADLINE, ids=_named)
def test_who_says_nothing_hinders_nobody(gateway: RunningGateway, hidden: Hidden) -> None:
    """100 such connections, and others are served."""
    connections = [Connection(gateway.port) for _ in range(100)]
    try:
        for connection in connections:
            connection.send(hidden.content)
        gateway.assert_alive()
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("hidden", NOT_SAID, ids=_named)
def test_what_the_parser_refuses_is_refused_in_the_form_of_all_else(gateway: RunningGateway, hidden: Hidden) -> None:
    lines = len(gateway.decisions())
    with gateway.nothing_forwarded():
        response = gateway.ask(hidden.content)
    assert (response.status, response.code, response.closed) == (400, "request.malformed", True)
    assert response.problem["type"] == "urn:guard:problem:request.malformed"
    assert response.value(b"guard-request-id") is None
    assert len(gateway.decisions()) - lines <= 1, "the canary's"
