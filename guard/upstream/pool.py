"""Who gets which connection to a backend: the one that rested least, a new one, or a place in a bounded queue.

A slot is the right to hold one connection. It is taken before connecting and stays with the connection; a slot that
becomes free goes to the longest waiter, with a rested connection in it if there is one. So the number of connections is
exact. Strangers, who have shown no key, have at most half of the slots and half of the places in the queue, and whoever
has a key goes first: an exchange lasts as long as its client is slow, and slowness costs a stranger nothing. The pool
sends nothing itself: see `forward.py`.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeAlias

from guard.model.exchange import Sent
from guard.model.policy import Urgency
from guard.model.upstream_policy import UpstreamPolicy
from guard.upstream.answer import UpstreamFailure
from guard.upstream.connection import Connection
from guard.upstream.origin import Origin

_Waiter: TypeAlias = asyncio.Future[Connection | None]
_GRACE_S = 1.0


class Witness(Protocol):
    """Whoever wants to know how an endpoint fares."""

    def answered(self) -> None:
        """It has answered a request, wholly."""

    def failed(self) -> None:
        """It has left a whole request without an answer, or broken its answer off."""

    def unreachable(self) -> None:
        """It takes no connection."""


class Pool:
    """The connections to one endpoint of a backend. `clock` is monotonic, in milliseconds."""

    def __init__(self, origin: Origin, policy: UpstreamPolicy, clock: Callable[[], int], witness: Witness) -> None:
        self.policy = policy
        self.clock = clock
        self.answered = witness.answered
        self.failed = witness.failed
        self._witness = witness
        self._origin = origin
        self._slots = 0
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._strangers = 0
        self._strangers_max = _half(policy.connections_max)
        self._waiting: deque[_Waiter] = deque()
        self._strangers_waiting: deque[_Waiter] = deque()
        self._closing = False
        self._closed: asyncio.Future[None] | None = None

    @property
    def busy(self) -> int:
        """How many exchanges are under way, wait, or are connecting."""
        return self._slots - len(self._idle) + len(self._waiting) + len(self._strangers_waiting)

    @property
    def strain(self) -> int:
        """Requests less urgent than this must wait: so many wait for a connection already. 0 is no strain."""
        if not self._waiting and not self._strangers_waiting:
            return Urgency.ANONYMOUS
        waiting, connections = len(self._waiting) + len(self._strangers_waiting), self.policy.connections_max
        if waiting * 2 < connections:
            return Urgency.ANONYMOUS
        if waiting < connections:
            return Urgency.READ
        return Urgency.ORDER if waiting < connections * 2 else Urgency.CRITICAL

    @property
    def crowded(self) -> bool:
        """Whether one more request would be turned away now, even with a key."""
        if self._idle:
            return False
        waiting = len(self._waiting) + len(self._strangers_waiting)
        return waiting >= self.policy.waiting_max and not self._room

    def rested(self, now_ms: int, *, stranger: bool, surely: bool) -> Connection | None:
        """The connection that rested least, if one is at hand. `surely` asks the kernel whether its backend left."""
        if stranger and self._strangers >= self._strangers_max:
            return None
        while self._idle:
            connection = self._idle.pop()
            if not connection.closing and not connection.overdue(now_ms) and (not surely or connection.quiet()):
                connection.with_stranger = stranger
                self._strangers += stranger
                return connection
            connection.close()
            self._free_slot()
        return None

    async def take(self, end_by_ms: int, *, stranger: bool, fresh: bool = False) -> Connection:
        """A connection, now or when there is room; `fresh` insists on one that no exchange has used.

        Raises UpstreamFailure, with nothing sent: gateway.overloaded, gateway.draining or upstream.unreachable.
        """
        if self._closing:
            raise UpstreamFailure("gateway.draining", Sent.NO, "the pool is closing")
        used: Connection | None = None
        if (stranger and self._strangers >= self._strangers_max) or not self._room:
            used = await self._wait(end_by_ms, stranger=stranger)
        else:
            self._strangers += stranger
            if self._slots < self.policy.connections_max:
                self._slots += 1
            else:
                used = self._idle.pop(0 if fresh else -1)
        if used is None or fresh or used.closing or not used.quiet():
            if used is not None:
                used.close()
            used = await self._connect(end_by_ms, stranger=stranger)
        used.with_stranger = stranger
        return used

    def came_back(self, connection: Connection, *, clean: bool) -> None:
        """An exchange is over: the connection rests, or goes to the longest waiter, or its slot is free."""
        self._strangers -= connection.with_stranger
        connection.with_stranger = False
        if not clean or self._closing or connection.closing:
            connection.close()
            self._free_slot()
            return
        connection.rest()
        waiter = self._next_waiter() if self._waiting or self._strangers_waiting else None
        if waiter is None:
            self._idle.append(connection)
        else:
            waiter.set_result(connection)

    def gone(self, connection: Connection) -> None:
        """A connection's socket is closed. If it was resting here, its slot is free."""
        if connection in self._idle:
            self._idle.remove(connection)
            self._free_slot()
        self._open.discard(connection)
        self._settle()

    async def aclose(self) -> None:
        """Take no more requests, let the exchanges under way end, but only for a moment; then close everything."""
        self._closing = True
        for connection in self._idle:
            connection.close()
            self._slots -= 1
        self._idle.clear()
        for waiter in (*self._waiting, *self._strangers_waiting):
            if not waiter.done():
                waiter.set_exception(UpstreamFailure("gateway.draining", Sent.NO, "the pool is closing"))
        self._waiting.clear()
        self._strangers_waiting.clear()
        if self._closed is None:
            self._closed = asyncio.get_running_loop().create_future()
        self._settle()
        await asyncio.wait((self._closed,), timeout=_GRACE_S)
        for connection in tuple(self._open):
            connection.close()

    @property
    def _room(self) -> bool:
        return bool(self._idle) or self._slots < self.policy.connections_max

    async def _wait(self, end_by_ms: int, *, stranger: bool) -> Connection | None:
        """A slot that became free, with the rested connection that was in it."""
        queue = self._strangers_waiting if stranger else self._waiting
        places = self.policy.waiting_max
        if len(queue) >= (_half(places) if stranger else places - len(self._strangers_waiting)):
            raise UpstreamFailure("gateway.overloaded", Sent.NO, "too many requests wait for a connection")
        loop = asyncio.get_running_loop()
        waiter: _Waiter = loop.create_future()
        queue.append(waiter)
        timer = loop.call_later(self._patience_ms(end_by_ms) / 1000, self._give_up, queue, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            self._forget(queue, waiter)
            raise
        finally:
            timer.cancel()

    def _give_up(self, queue: deque[_Waiter], waiter: _Waiter) -> None:
        if not waiter.done():
            queue.remove(waiter)
            waiter.set_exception(UpstreamFailure("gateway.overloaded", Sent.NO, "no connection became free in time"))

    def _forget(self, queue: deque[_Waiter], waiter: _Waiter) -> None:
        """A waiter was cancelled. What it was given in the same turn of the loop goes on to the next."""
        if waiter in queue:
            queue.remove(waiter)
        elif not waiter.cancelled() and waiter.exception() is None:
            self._strangers -= queue is self._strangers_waiting
            given = waiter.result()
            if given is None:
                self._free_slot()
            else:
                self.came_back(given, clean=True)

    def _next_waiter(self) -> _Waiter | None:
        """The longest waiter of those who have a key; else, if strangers may have one more, of those."""
        waiter = _first(self._waiting)
        if waiter is None and self._strangers < self._strangers_max:
            waiter = _first(self._strangers_waiting)
            self._strangers += waiter is not None
        return waiter

    async def _connect(self, end_by_ms: int, *, stranger: bool) -> Connection:
        """Connect in a slot that is already taken, or free that slot."""
        connection: Connection | None = None
        policy = self.policy
        patience_ms = self._patience_ms(end_by_ms)
        try:
            connection = await self._origin.connect(self, self.clock, idle_ms=policy.idle_ms, patience_ms=patience_ms)
        except UpstreamFailure:
            if patience_ms == policy.connect_ms:  # else it is the request that had no time left
                self._witness.unreachable()
            raise
        finally:
            if connection is None:
                self._strangers -= stranger
                self._free_slot()
        self._open.add(connection)
        return connection

    def _patience_ms(self, end_by_ms: int) -> int:
        return max(min(self.policy.connect_ms, end_by_ms - self.clock()), 0)

    def _free_slot(self) -> None:
        waiter = self._next_waiter()
        if waiter is not None:
            waiter.set_result(None)
            return
        self._slots -= 1
        self._settle()

    def _settle(self) -> None:
        if self._closed is not None and not self._closed.done() and not self._slots and not self._open:
            self._closed.set_result(None)


def _half(count: int) -> int:
    return (count + 1) // 2


def _first(queue: deque[_Waiter]) -> _Waiter | None:
    """The longest waiter who has not gone."""
    while queue:
        waiter = queue.popleft()
        if not waiter.done():
            return waiter
    return None
