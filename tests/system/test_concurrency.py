"""`concurrent: N` over real sockets: so many at once, and a slot comes back with whatever ends its exchange."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count

import pytest

from tests.system.gateway import RunningGateway, eventually
from tests.system.key_holder import Key, minted, signed
from tests.system.raw_http import Connection, Response
from tests.system.recording_backend import Peer, Received, answer

pytestmark = pytest.mark.system

_HOST = b"limited.test"
_NUMBERS = count(1)


class Slow:
    """A backend that answers one request each time that it is told to."""

    def __init__(self) -> None:
        self.may_answer = threading.Semaphore(0)

    async def __call__(self, peer: Peer, _: Received) -> bool:
        await asyncio.to_thread(self.may_answer.acquire)
        await peer.send(answer(b"done"))
        return True


def _new_key(gateway: RunningGateway) -> Key:
    key = minted("pending", account=f"pending-{next(_NUMBERS)}")
    gateway.import_keys(key)
    gateway.wait_until_followed()
    return key


def _ask(gateway: RunningGateway, key: Key, method: str = "POST") -> Response:
    return gateway.ask(signed(key, method, "/pending", host=_HOST))


def _reached(gateway: RunningGateway, mark: int) -> int:
    return len([each for each in gateway.backend.since(mark) if each.path == "/pending"])


@contextmanager
def _three_under_way(gateway: RunningGateway, key: Key) -> Iterator[tuple[Slow, ThreadPoolExecutor]]:
    """Three orders of the key wait at the backend; all are answered after the block."""
    slow, mark = Slow(), len(gateway.backend.record)
    with gateway.backend.script("/pending", slow), ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(_ask, gateway, key) for _ in range(3)]
        try:
            eventually(lambda: _reached(gateway, mark) == 3)
            yield slow, pool
        finally:
            slow.may_answer.release(10)
        assert [one.result().status for one in asked] == [200] * 3


def test_three_are_under_way_the_fourth_is_refused_and_after_one_has_ended_another_passes(
    gateway: RunningGateway,
) -> None:
    key = _new_key(gateway)
    with _three_under_way(gateway, key) as (slow, pool):
        mark = len(gateway.backend.record)
        refused = _ask(gateway, key)
        assert (refused.status, refused.code) == (429, "limit.pending")
        assert refused.value(b"retry-after") == b"1"
        assert refused.value(b"ratelimit-policy") == b'"pending";q=3;qu="concurrent-requests"'
        assert refused.value(b"ratelimit") == b'"pending";r=0'
        assert _reached(gateway, mark) == 0
        slow.may_answer.release()

        def passed() -> bool:
            """The answer that frees the slot is on its way."""
            pool.submit(_ask, gateway, key)
            return _reached(gateway, mark) == 1

        eventually(passed)


def test_another_key_has_slots_of_its_own(gateway: RunningGateway) -> None:
    key, other = _new_key(gateway), _new_key(gateway)
    with _three_under_way(gateway, key) as (slow, pool):
        passed = pool.submit(_ask, gateway, other)
        slow.may_answer.release(4)
        assert passed.result().status == 200


def test_a_hundred_one_after_another_never_wait_for_the_slot_of_the_one_before(gateway: RunningGateway) -> None:
    key = _new_key(gateway)
    with Connection(gateway.port) as connection:
        answers = [connection.ask(signed(key, "POST", "/pending", host=_HOST)) for _ in range(100)]
    assert [each.status for each in answers] == [200] * 100
    assert {each.value(b"ratelimit") for each in answers} == {b'"pending";r=2'}


def test_a_read_whose_client_is_gone_gives_its_slot_back_at_once(gateway: RunningGateway) -> None:
    """The backend does not answer them: only that the clients are gone can have freed the slots."""
    key, slow, mark = _new_key(gateway), Slow(), len(gateway.backend.record)
    with gateway.backend.script("/pending", slow), ExitStack() as leaving:
        for _ in range(3):
            connection = leaving.enter_context(Connection(gateway.port))
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closes by RST
            connection.send(signed(key, "GET", "/pending", host=_HOST))
        eventually(lambda: _reached(gateway, mark) == 3)
        assert _ask(gateway, key, "GET").code == "limit.pending"
    eventually(lambda: _ask(gateway, key, "GET").status == 200, 2.0)
    slow.may_answer.release(3)


def test_an_order_whose_client_leaves_holds_its_slot_until_it_is_answered(gateway: RunningGateway) -> None:
    key, slow, mark = _new_key(gateway), Slow(), len(gateway.backend.record)
    with gateway.backend.script("/pending", slow):
        with ExitStack() as leaving:
            for _ in range(3):
                connection = leaving.enter_context(Connection(gateway.port))
                connection.send(signed(key, "POST", "/pending", host=_HOST))
            eventually(lambda: _reached(gateway, mark) == 3)
        assert _ask(gateway, key).code == "limit.pending"
        slow.may_answer.release(3)
    eventually(lambda: _ask(gateway, key).status == 200)


def test_an_address_holds_its_slots_while_its_bodies_come_and_not_after_it_left(gateway: RunningGateway) -> None:
    key, source = _new_key(gateway), "127.0.3.1"
    head, _, _ = signed(key, "POST", "/visiting", b"whole", host=_HOST).partition(b"\r\n\r\n")

    def asked() -> Response:
        return gateway.ask(signed(key, "POST", "/visiting", b"whole", host=_HOST), source=source)

    with ExitStack() as leaving:
        for _ in range(2):
            connection = leaving.enter_context(Connection(gateway.port, source))
            connection.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
            assert connection.socket.recv(64).startswith(b"HTTP/1.1 100 ")  # from now on it holds its slot
        assert asked().code == "limit.visiting"
        assert gateway.ask(signed(key, "POST", "/visiting", b"whole", host=_HOST), source="127.0.3.2").status == 200
    eventually(lambda: asked().status == 200)


def test_a_quota_is_told_with_its_period_and_the_time_to_its_end(gateway: RunningGateway) -> None:
    """It holds at first what would have come back since the gateway started: ten a second."""
    key = _new_key(gateway)
    told = eventually(lambda: _admitted(gateway.ask(signed(key, "GET", "/quota", host=_HOST))))
    assert told.value(b"ratelimit-policy") == b'"hourly";q=36000;w=3600'
    assert (told.value(b"ratelimit") or b"").startswith(b'"hourly";r=')


def _admitted(response: Response) -> Response | None:
    return response if response.status == 200 else None
