"""What an operator halts is refused within a second of the command, beside a running server, until it is lifted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.gateway import RunningGateway, eventually, running_gateway
from tests.system.key_holder import signed
from tests.system.raw_http import Connection
from tests.system.recording_backend import RecordingBackend

pytestmark = pytest.mark.system

_WHY = ("--why", "a secret reason", "--json")
_TIME = b"GET /v1/time HTTP/1.1\r\nHost: gateway.test\r\n\r\n"


@pytest.fixture
def own(tmp_path: Path, backend: RecordingBackend) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path / "home", backend) as running:
        yield running


def _told(own: RunningGateway, *words: str) -> dict[str, Any]:
    """What a command tells once it is in force everywhere, which it is within a second."""
    told: dict[str, Any] = json.loads(own.guard("halt", *words, *_WHY))
    assert (told["nodes"]["in_force"], told["nodes"]["nodes"]) == (True, 1)
    assert told["nodes"]["after_ms"] <= 1400  # a second, and what a busy machine adds: `make faults` measures it
    return told


def _order(own: RunningGateway) -> bytes:
    return own.signed("POST", "/v1/orders", b"{}")


def test_a_halted_account_is_refused_once_the_command_says_so_and_served_once_it_is_lifted(own: RunningGateway) -> None:
    """Its connections are cut; nothing of it reaches the backend; it is never told why."""
    account = own.keys["trader"].order.account
    with Connection(own.port) as warm:
        eventually(lambda: warm.ask(_order(own)).status == 200)  # a busy machine may poll its database late
        mark = len(own.backend.record)
        halted = _told(own, "account", account)
        refused = own.ask(_order(own))
        assert (refused.status, refused.code) == (403, "authz.halted")
        assert b"secret reason" not in refused.body
        assert own.ask(own.signed("GET", "/v1/orders")).code == "authz.halted"
        with pytest.raises(ConnectionError):
            warm.ask(_order(own))
    assert own.backend.since(mark) == []
    assert own.ask(_TIME).status == 200
    _told(own, "lift", halted["id"])
    eventually(lambda: own.ask(_order(own)).status == 200, 1.0)


def test_while_everything_but_reads_is_halted_reads_are_served_and_orders_are_not(own: RunningGateway) -> None:
    _told(own, "all", "--reads-only")
    with own.nothing_forwarded():
        refused = own.ask(_order(own))
    assert (refused.status, refused.code) == (503, "gateway.halted")
    assert refused.value(b"retry-after") == b"5"
    assert own.ask(own.signed("GET", "/v1/orders")).status == 200
    assert own.ask(_TIME).status == 200
    _told(own, "lift", "--all")
    eventually(lambda: own.ask(_order(own)).status == 200, 1.0)


def test_a_halt_of_the_service_stops_its_open_routes_and_outlives_a_restart(own: RunningGateway) -> None:
    _told(own, "service", "exchange")
    assert own.ask(_TIME).code == "gateway.halted"
    own.stop()
    own.start()
    assert own.ask(_TIME).code == "gateway.halted"
    _told(own, "lift", "--service", "exchange")
    assert own.ask(_TIME).status == 200


def test_an_order_whose_body_was_under_way_when_its_key_was_halted_forwards_nothing(own: RunningGateway) -> None:
    content = signed(own.keys["trader"], "POST", "/v1/orders", b'{"qty":1}')
    with own.nothing_forwarded(), Connection(own.port) as connection:
        connection.send(content[:-1])
        _told(own, "key", own.keys["trader"].id)
        connection.send(content[-1:])
        assert connection.response().code == "authz.halted"
