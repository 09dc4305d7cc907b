"""Clients that go away at every point of an exchange, among many that do not: nothing of theirs is left over.

Each request has a mark of its own that the backend echoes, so that an answer that reaches another client is seen.
The process is looked at from outside; `aborts_inside.py` counts its objects.
"""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from tests.soak.client import Answer, Caller
from tests.soak.scene import Scene, opened, scene
from tests.soak.verdict import Check, Say, Verdict, at_least, at_most, none
from tests.soak.watched import MIB, Watched
from tests.system.key_holder import signed_fields
from tests.system.raw_http import message

NAME = "aborts"

_CLIENTS = 48
_SETTLE_S = 9.0  # 4 s rests what goes to the backend; 10 s waits who is not told that his client has gone
_GROWN_BYTES_MAX = 24 * MIB
_BODY = b"b" * 2000
_SEEN = ("own answer", "another's answer", "aborted", "answered 503")  # it may shed what it has no time for
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: a close that is a reset


class Size(msgspec.Struct, frozen=True):
    """How many requests, and how many of them are broken off by their client."""

    requests: int
    aborts: int


FULL = Size(requests=1_000_000, aborts=10_000)
SMALL = Size(requests=4000, aborts=400)


class Crowd:
    """Clients on a port, each on a connection of its own until it breaks it off. What they saw is in `seen`."""

    def __init__(self, port: int, signed: Callable[[str, str, bytes], bytes], head: Callable[[], bytes]) -> None:
        self._port = port
        self._signed = signed
        self._upload_head = head
        self._draw = random.Random(11)  # noqa: S311  # a seed, so that a failure can be repeated
        self.seen: Counter[str] = Counter()

    async def ask(self, size: Size, progress: Callable[[int], None]) -> None:
        """Send all requests, the aborts among them."""
        numbers = iter(range(size.requests))
        share = size.aborts / size.requests
        clients = min(_CLIENTS, size.requests)
        asking = [asyncio.create_task(self._ask(numbers, share)) for _ in range(clients)]
        while not all(task.done() for task in asking):
            await asyncio.wait(asking, timeout=10)
            progress(self.seen.total())
        for task in asking:
            task.result()

    async def _ask(self, numbers: Iterator[int], share: float) -> None:
        caller = await Caller.connect(self._port)
        for number in numbers:
            if self._draw.random() < share:
                await self._abort(caller, number)
                self.seen["aborted"] += 1
                caller = await Caller.connect(self._port)
                continue
            content, echo = self._marked(number)
            answer = await caller.ask(content)
            if answer.status != 200:
                self.seen[f"answered {answer.status}"] += 1
            else:
                self.seen["own answer" if answer.body == echo else "another's answer"] += 1
            if answer.closes:
                caller.close()
                caller = await Caller.connect(self._port)
        caller.close()

    def _marked(self, number: int) -> tuple[bytes, bytes]:
        """A request, and what its backend says to it."""
        match number % 4:
            case 0:
                target = f"/open/slow/{number}" if number % 400 == 0 else f"/open/{number}"
                return opened("GET", target), target.encode()
            case 1:
                body = b"%d" % number
                return self._signed("POST", "/v1/orders", body), b"/v1/orders" + body
            case _:
                target = f"/v1/orders/{number}"
                return self._signed("GET", target, b""), target.encode()

    async def _abort(self, caller: Caller, number: int) -> None:
        """Go away in the middle of the head, of the body, of the waiting, or of the answer."""
        point = self._draw.choice((self._in_the_head, self._in_the_body, self._while_waiting, self._in_the_answer))
        asked = point(caller, number)
        await asyncio.wait((asked,), timeout=self._draw.random() * 0.02)
        asked.cancel()
        if self._draw.random() < 0.5:
            caller.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            caller.transport.abort()
        else:
            caller.close()

    def _in_the_head(self, caller: Caller, number: int) -> asyncio.Future[Answer]:
        content = self._signed("POST", "/v1/orders", b"%d" % number)
        return caller.asked(content[: self._draw.randrange(1, content.index(b"\r\n\r\n"))])

    def _in_the_body(self, caller: Caller, number: int) -> asyncio.Future[Answer]:
        head = opened("PUT", "/open/upload", (b"Content-Length", b"2000")) if number % 2 else self._upload_head()
        return caller.asked(head + _BODY[: self._draw.randrange(len(_BODY))])

    def _while_waiting(self, caller: Caller, number: int) -> asyncio.Future[Answer]:
        return caller.asked(opened("GET", f"/open/slow/{number}"))

    def _in_the_answer(self, caller: Caller, number: int) -> asyncio.Future[Answer]:
        return caller.asked(opened("GET", f"/open/large/{number}"))


POOL = 12
"""What a slow moment may open for good: connections to the key database, whose polls overlap then, a few files each."""


def run(size: Size, say: Say) -> Verdict:
    """Before `guard serve`: its sockets and memory are as before."""
    with scene() as place:
        return Verdict(NAME, tuple(asyncio.run(_run(place, size, say))))


async def _run(place: Scene, size: Size, say: Say) -> list[Check]:
    watched = Watched(place.gateway.pid)
    crowd = crowd_of(place)
    before = watched.descriptors
    warmed: list[int] = []

    def progress(done: int) -> None:
        if done > size.requests // 4 and not warmed:
            warmed.append(watched.resident_bytes)
        say(f"{done} requests, {watched.resident_bytes // MIB} MiB, {watched.descriptors} descriptors")

    await crowd.ask(size, progress)
    left = await watched.settled_descriptors(before, _SETTLE_S)
    say(f"{dict(crowd.seen)}, {watched.cpu_s / size.requests * 1e6:.0f} us of processor time a request")
    grown = watched.resident_bytes - (warmed or [watched.resident_bytes])[0]
    return [*checks(crowd, size), at_most("descriptors left over", left - before, POOL), _memory(grown)]


def _memory(grown: int) -> Check:
    return at_most("memory, since a quarter was done", round(grown / MIB, 1), _GROWN_BYTES_MAX / MIB, " MiB")


def crowd_of(place: Scene) -> Crowd:
    """Clients of a scene."""

    def head() -> bytes:
        fields = signed_fields(place.gateway.keys["trader"], "POST", "/v1/orders", _BODY, host=b"soak.test")
        return message("POST", "/v1/orders", [*fields, (b"Content-Length", b"2000")])

    return Crowd(place.gateway.port, place.signed, head)


def checks(crowd: Crowd, size: Size) -> list[Check]:
    """What the clients saw."""
    seen = crowd.seen
    return [
        at_least("requests", seen.total(), size.requests),
        at_least("of them broken off", seen["aborted"], size.aborts * 0.8),
        none("answers that reached another client", seen["another's answer"]),
        none("answers other than 200 and 503", seen.total() - sum(seen[what] for what in _SEEN)),
        at_least("answers of 200", seen["own answer"], (size.requests - size.aborts) * 0.9, timed=True),
    ]
