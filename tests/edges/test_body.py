"""A body is read within bounds of size, time and unverified memory."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from guard.core.stages import Signed
from guard.edges.body import BodyReader, ClientBroke, UnverifiedBudget
from guard.model.facts import BodyBroken, BodyRead, Facts
from guard.model.names import Address
from tests.build import auth, facts, policies, route, service, signed
from tests.line import head_of

_ADDRESS = Address("192.0.2.1")


def _head(message: Facts, scheme: str = "guard-v1") -> Signed:
    return head_of(message, policies(service(route(auth=auth(scheme), scope=None))))


_PROVED = _head(signed(body=b"x"))
_FORM = ((b"x-mbx-apikey", b"gk_test"), (b"content-type", b"application/x-www-form-urlencoded"))
_UNPROVED = _head(facts(fields=_FORM, body=None), "binance")


class Client:
    """Sends the parts of a body, then waits for ever unless it says that it has gone."""

    def __init__(self, parts: Sequence[bytes], *, ends: bool = True, goes: bool = False) -> None:
        self._messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": part, "more_body": not ends or index < len(parts) - 1}
            for index, part in enumerate(parts)
        ]
        if goes:
            self._messages.append({"type": "http.disconnect"})
        self.received = 0

    async def receive(self) -> dict[str, Any]:
        self.received += 1
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)


def _reader(client: Client, *, held: int = 1000, per_address: int = 1000, ms: int = 1000) -> BodyReader:
    return BodyReader(client.receive, UnverifiedBudget(held, per_address), ms)


async def test_a_body_in_parts_is_read_whole() -> None:
    assert await _reader(Client([b"a", b"", b"bc"])).read(_PROVED) == BodyRead(b"abc")


async def test_a_body_of_the_largest_size_is_read_and_one_byte_more_is_not() -> None:
    assert await _reader(Client([b"x" * 1024])).read(_PROVED) == BodyRead(b"x" * 1024)
    assert await _reader(Client([b"x" * 1024, b"y"])).read(_PROVED) == BodyBroken("request.too_large")


async def test_an_endless_body_is_refused_without_being_held() -> None:
    endless = Client([b"x" * 512] * 1000, ends=False)
    assert await _reader(endless).read(_PROVED) == BodyBroken("request.too_large")
    assert endless.received == 3


async def test_a_body_that_stops_coming_times_out() -> None:
    assert await _reader(Client([b"a"], ends=False), ms=20).read(_PROVED) == BodyBroken("request.timeout")


async def test_a_client_that_goes_away_leaves_an_incomplete_body() -> None:
    assert await _reader(Client([b"a"], ends=False, goes=True)).read(_PROVED) == BodyBroken("request.incomplete")


async def test_unverified_bytes_are_bounded_and_proved_ones_are_not_counted() -> None:
    assert await _reader(Client([b"x" * 200]), held=100).read(_UNPROVED) == BodyBroken("gateway.overloaded")
    assert await _reader(Client([b"x" * 200]), per_address=100).read(_UNPROVED) == BodyBroken("gateway.overloaded")
    assert await _reader(Client([b"x" * 200]), held=100).read(_PROVED) == BodyRead(b"x" * 200)


async def test_the_budget_is_free_again_whatever_became_of_the_body() -> None:
    budget = UnverifiedBudget(100, 100)
    for client in (Client([b"x" * 100]), Client([b"x" * 60, b"x" * 60]), Client([b"x"], ends=False, goes=True)):
        await BodyReader(client.receive, budget, 1000).read(_UNPROVED)
        assert budget.take(_ADDRESS, 100)
        budget.release(_ADDRESS, 100)


def test_one_address_does_not_use_up_the_room_of_the_others() -> None:
    budget = UnverifiedBudget(100, 60)
    assert budget.take(_ADDRESS, 60)
    assert not budget.take(_ADDRESS, 1)
    assert budget.take(Address("192.0.2.2"), 40)
    assert not budget.take(Address("192.0.2.3"), 1)


async def test_the_body_of_an_open_route_streams_up_to_its_bound() -> None:
    reader = _reader(Client([b"ab", b"", b"c"]))
    assert [part async for part in reader.stream(3)] == [b"ab", b"c"]
    assert reader.finished
    with pytest.raises(ClientBroke, match=r"request\.too_large"):
        _ = [part async for part in _reader(Client([b"abcd"])).stream(3)]
