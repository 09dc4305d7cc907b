"""Which backend serves which service, while policies come and go.

A request ends at the backend of the policy by which it was judged. So a backend that a reload has changed or removed
goes on for those that were let through before, and is closed when the last of them can be over. One that a reload has
left as it was keeps its connections, its health and its breaker.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from guard.model.policy import Service
from guard.model.upstream_policy import UpstreamPolicy, UpstreamTls
from guard.upstream.backend import Backend

_IDLE_POLL_S: Final = 1.0

Maker: TypeAlias = Callable[[Service], Backend]
"""Makes a backend that has not begun. Raises OSError or ValueError if a file that the policy names cannot be used."""

_Identity: TypeAlias = tuple[str, UpstreamPolicy, tuple[tuple[int, int, int], ...]]


class Seat(msgspec.Struct, frozen=True, eq=False):
    """A backend, and what it was made of: two services with equal `identity` have the same."""

    backend: Backend
    identity: _Identity


class Succession:
    """The backends of the services in force, and of those before them until nothing of theirs can be under way.

    `linger_s` bounds how long a message may take from its judgement to its backend: reading its body, and its route's
    own time.
    """

    def __init__(self, make: Maker, linger_s: Callable[[Iterable[Service]], float]) -> None:
        self._make = make
        self._linger_s = linger_s
        self._seats: dict[Service, Seat] = {}
        self._of: dict[Service, Backend] = {}
        self._in_force: frozenset[Service] = frozenset()
        self._retiring: set[asyncio.Task[None]] = set()

    def of(self, service: Service) -> Backend:
        """The backend of a service that is in force, or was when a message was judged that is still under way."""
        return self._of[service]

    def prepared(self, services: Iterable[Service]) -> Mapping[Service, Seat]:
        """The backends of these services, made where they are new, and not begun. Raises as the maker does."""
        standing = {seat.identity: seat for seat in self._seats.values()}
        prepared: dict[Service, Seat] = {}
        for service in services:
            identity = _identity(service)
            prepared[service] = standing.get(identity) or Seat(self._make(service), identity)
        return prepared

    def adopt(self, prepared: Mapping[Service, Seat]) -> None:
        """From now on these services are in force. Those before stay to be found until nobody can ask for them."""
        standing = {seat.backend for seat in self._seats.values()}
        for service, seat in prepared.items():
            self._seats[service] = seat
            self._of[service] = seat.backend
            if seat.backend not in standing:
                seat.backend.start()
        before, self._in_force = self._in_force, frozenset(prepared)
        gone = before - self._in_force
        if gone:
            task = asyncio.create_task(self._retire(gone), name="retire backends")
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    def stand_in(self, derived: Mapping[Service, Service]) -> None:
        """From now on these services are in force beside those that they stand in for, with the same backends."""
        seats = {service: self._seats[service] for service in derived.values()}
        self.adopt(seats | {service: seats[base] for service, base in derived.items()})

    async def aclose(self) -> None:
        """Close all of them, as `Backend.aclose` does."""
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        await asyncio.gather(*(backend.aclose() for backend in {seat.backend for seat in self._seats.values()}))

    async def _retire(self, services: frozenset[Service]) -> None:
        """Forget services when no message can name them any more, and close the backends that were theirs alone."""
        await asyncio.sleep(self._linger_s(services))
        services -= self._in_force
        left = {self._seats[service].backend for service in services}
        while any(backend.busy for backend in left - self._needed(services)):  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(_IDLE_POLL_S)
        closing = left - self._needed(services)
        for service in services:
            del self._seats[service], self._of[service]
        for backend in closing:
            await backend.aclose()

    def _needed(self, without: frozenset[Service]) -> set[Backend]:
        return {seat.backend for service, seat in self._seats.items() if service not in without}


def _identity(service: Service) -> _Identity:
    return (service.name, service.upstream, _marks(service.upstream.tls))


def _marks(tls: UpstreamTls | None) -> tuple[tuple[int, int, int], ...]:
    """What tells the files of one certificate from those of its successor. A file that has gone has no mark."""
    marks = []
    for name in () if tls is None else (tls.ca, tls.certificate, tls.key):
        path = None if name is None else Path(name)
        if path is not None and path.exists():
            stat = path.stat()
            marks.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
    return tuple(marks)
