"""Clients that are slow on purpose: a third sends its head byte by byte, a third its body, a third reads nothing.

All are dropped by their deadlines, in flat memory, and a normal client notices nothing (THREATS.md D1).
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count

import msgspec

from tests.soak.client import Answer, Caller
from tests.soak.scene import Scene, opened, scene
from tests.soak.verdict import Check, Say, Verdict, at_least, at_most, none
from tests.soak.watched import MIB, Watched
from tests.system.key_holder import signed_fields
from tests.system.raw_http import message

NAME = "slow_clients"

_KIB_A_CLIENT = 160
_SMALL_BUFFER_BYTES = 4096


class Size(msgspec.Struct, frozen=True):
    """How many clients, in all; how often each says a byte; the longest deadline, and how long after it.

    After it, what the gateway fetched for them rests for 4 s before it is let go.
    """

    clients: int
    byte_every_s: float
    deadline_s: float
    margin_s: float
    settings: tuple[tuple[str, str], ...] = ()


FULL = Size(clients=1000, byte_every_s=0.5, deadline_s=20.0, margin_s=10.0)
_SHORT = ("GUARD_HEAD_MS_MAX", "GUARD_BODY_PROGRESS_MS_MAX", "GUARD_BODY_MS_MAX", "GUARD_WRITE_STALL_MS_MAX")
SMALL = Size(
    clients=45,
    byte_every_s=0.1,
    deadline_s=1.0,
    margin_s=5.5,
    settings=tuple((name, "1000") for name in _SHORT),
)


def run(size: Size, say: Say) -> Verdict:
    """Drop them all."""
    with scene(**dict(size.settings)) as place:
        return Verdict(NAME, tuple(asyncio.run(_run(place, size, say))))


async def _run(place: Scene, size: Size, say: Say) -> list[Check]:
    watched = Watched(place.gateway.pid)
    fates: Counter[str] = Counter()
    async with _normal_client(place) as statuses:
        await asyncio.sleep(1.0)
        before, descriptors = watched.resident_bytes, watched.descriptors
        async with watched.watching(), asyncio.timeout(size.deadline_s + size.margin_s + 60):
            clients = [asyncio.create_task(_slow(place, size, number, fates)) for number in range(size.clients)]
            await asyncio.sleep(size.deadline_s / 2)
            say(f"{watched.descriptors - descriptors} sockets held, {_mib(watched.resident_bytes - before)} MiB more")
            left = await watched.settled_descriptors(descriptors + 2, size.deadline_s / 2 + size.margin_s)
            await asyncio.gather(*clients)
        say(f"fates: {dict(fates)}; the normal client: {dict(statuses)}")
        grown = watched.peak_bytes - before
        return [
            at_most("sockets left after the deadlines", left - descriptors, 2),
            none("slow clients that were served", fates["served"]),
            none("slow clients that were still there", fates["still there"]),
            at_most("memory", _mib(grown), _mib(size.clients * _KIB_A_CLIENT * 1024 + 16 * MIB), " MiB"),
            at_least("requests of a normal client meanwhile", statuses.total(), size.deadline_s * 5),
            none("of them not answered 200", statuses.total() - statuses[200]),
        ]


@asynccontextmanager
async def _normal_client(place: Scene) -> AsyncIterator[Counter[int]]:
    """Signed orders and reads in turn, twenty a second, on a connection that is kept. A status of 0 is none."""
    statuses: Counter[int] = Counter()

    async def live() -> None:
        caller = await Caller.connect(place.gateway.port)
        try:
            for number in count():
                if caller.gone:
                    caller = await Caller.connect(place.gateway.port)
                order = place.signed("POST", "/v1/orders", b"%d" % number)
                content = order if number % 2 else place.signed("GET", f"/v1/orders/{number}")
                try:
                    answer = await caller.ask(content)
                except ConnectionError:
                    statuses[0] += 1
                    continue
                statuses[answer.status] += 1
                if answer.closes:
                    caller.close()
                await asyncio.sleep(0.05)
        finally:
            caller.close()

    living = asyncio.create_task(live())
    try:
        yield statuses
    finally:
        living.cancel()
        with suppress(asyncio.CancelledError):
            await living


async def _slow(place: Scene, size: Size, number: int, fates: Counter[str]) -> None:
    """One client, from an address that it shares with few others. What became of it is counted."""
    source = f"127.0.{1 + number // 8 % 200}.{1 + number % 8}"
    reads = number % 3 != 2
    client = Caller if reads else Unread
    caller = await client.connect(place.gateway.port, source, None if reads else _SMALL_BUFFER_BYTES)
    end = asyncio.get_running_loop().time() + size.deadline_s + size.margin_s
    match number % 3:
        case 0:
            asked = caller.asked(b"")
            await _drip(caller, asked, opened("GET", f"/open/{'x' * 200}"), size, end)
        case 1:
            asked = caller.asked(_upload(place, number))
            await _drip(caller, asked, b"b" * 1000, size, end)
        case _:
            asked = caller.asked(opened("GET", f"/open/large/{number}"))
            await asyncio.wait((asked,), timeout=end - asyncio.get_running_loop().time())
    fates[_fate(asked, reads=reads)] += 1
    caller.close()


class Unread(Caller):
    """A client that sees that an answer of 200 begins, and reads no further."""

    def data_received(self, content: bytes) -> None:
        """The first bytes say what is coming."""
        if content.startswith(b"HTTP/1.1 200 "):
            self.transport.pause_reading()
        else:
            super().data_received(content)


def _upload(place: Scene, number: int) -> bytes:
    """The head of a body of 1000 bytes, on an open route or a signed one."""
    length = (b"Content-Length", b"1000")
    if number % 2:
        return opened("PUT", "/open/upload", length)
    key = place.gateway.keys["trader"]
    fields = signed_fields(key, "POST", "/v1/orders", b"b" * 1000, host=b"soak.test")
    return message("POST", "/v1/orders", [*fields, length])


async def _drip(caller: Caller, asked: "asyncio.Future[Answer]", content: bytes, size: Size, end: float) -> None:
    """A byte at a time, until it is answered or dropped."""
    for byte in content:
        if asked.done() or caller.gone or asyncio.get_running_loop().time() > end:
            return
        caller.transport.write(bytes((byte,)))
        await asyncio.wait((asked,), timeout=size.byte_every_s)


def _fate(asked: "asyncio.Future[Answer]", *, reads: bool) -> str:
    if not asked.done():
        asked.cancel()
        return "still there" if reads else "left unread"  # whether it was dropped, the gateway's sockets say
    if asked.exception() is not None:
        return "dropped"
    status = asked.result().status
    return "served" if status < 400 else f"told {status}"


def _mib(size_bytes: float) -> float:
    return round(size_bytes / MIB, 1)
