"""How a connection ends."""

import asyncio

from guard.server.deadline import Deadline
from guard.server.farewell import Farewell
from guard.server.limits import Limits
from tests.server.in_memory import Wire, until


class _TlsWire(Wire):
    def can_write_eof(self) -> bool:
        return False


def _farewell(wire: Wire) -> Farewell:
    made: list[Farewell] = []
    deadline = Deadline(asyncio.get_running_loop(), lambda: made[0].late())  # noqa: PLW0108
    made.append(Farewell(wire, deadline, Limits(linger_ms=20, linger_bytes_max=10)))
    return made[0]


async def test_our_side_is_closed_first_and_the_socket_after_a_while() -> None:
    wire = Wire()
    _farewell(wire).wave(heard_all=False)
    assert (wire.ended, wire.closed) == (True, False)
    await until(lambda: wire.aborted)


async def test_who_has_nothing_left_to_send_is_closed_at_once() -> None:
    wire = Wire()
    _farewell(wire).wave(heard_all=True)
    assert (wire.ended, wire.closed) == (False, True)


async def test_tls_waits_for_what_the_client_still_sends() -> None:
    wire = _TlsWire()
    farewell = _farewell(wire)
    farewell.wave(heard_all=False)
    assert not wire.is_over()
    farewell.drop(10)
    assert not wire.is_over()
    farewell.drop(1)
    assert wire.aborted


async def test_an_answer_that_is_still_being_read_gets_more_time_once() -> None:
    wire = Wire()
    farewell = _farewell(wire)
    wire.unread = 1
    farewell.late()
    assert not wire.aborted
    farewell.late()
    assert wire.aborted
