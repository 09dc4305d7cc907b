"""Scores in Redis: what all workers and nodes of one state count together. See `ScoreStore`.

Why it is right. A sighting is asked about once, and no call is sent again but where the server has done nothing, so a
reply that is lost may lose what fired and never counts an event twice. What no server has answered is counted in the
memory of this process, which is a score of its own and is never added to the shared one.

Why it is bounded. Every value expires. A partition has room for so many addresses of their own, and a quarter of that
for each wider kind of network; who is new to a full one is counted with its neighbours, as in memory, so that a /32 of
IPv6 fills 100,000 entries and not 2^32. A few sightings travel at a time, and the next when they are answered, so
that charges never stand behind many of them.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from guard.model.abuse import Raised, Sighting, SubjectKind
from guard.model.names import UnixMs
from guard.model.questions import Unavailable
from guard.state.protocols import ScoreStore
from guard.state.redis.calls import Call
from guard.state.redis.partitions import ONE, Partitions
from guard.state.redis.score_calls import forgetting, home, scoring
from guard.state.redis.servers import Servers

AT_ONCE: Final = 32
ROOM: Final = 100_000
ROOM_OF_PARTITION: Final = 1024
"""For how many addresses one server has room, and each of the 256 partitions of a Cluster."""

_NOWHERE = Unavailable("redis: no server holds the slot")


class RedisScores(ScoreStore):
    """The scores at `servers`. `alone` counts what they do not answer, and `heard` hears of each such sighting."""

    def __init__(
        self,
        servers: Servers,
        partitions: Partitions | None,
        alone: ScoreStore,
        *,
        heard: Callable[[], object] = lambda: None,
        room: int | None = None,
    ) -> None:
        self._servers, self._partitions = servers, partitions
        self._alone = alone
        self._heard = heard
        self._room = room or (ROOM if partitions is None else ROOM_OF_PARTITION)

    async def score(self, sightings: tuple[Sighting, ...], now: UnixMs) -> tuple[Raised, ...]:
        """See `ScoreStore.score`. `now` is for what is counted here: a server has a clock of its own."""
        raised: list[Raised] = []
        for first in range(0, len(sightings), AT_ONCE):
            raised += await self._counted(sightings[first : first + AT_ONCE], now)
        return tuple(raised)

    async def forget(self, kind: SubjectKind, name: str, before: UnixMs) -> bool:
        """See `ScoreStore.forget`."""
        await self._alone.forget(kind, name, before)
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        tag = self._tag(kind, name)
        self._ask(tag, forgetting(tag, kind, name, before, done))
        return await done

    async def _counted(self, sightings: tuple[Sighting, ...], now: UnixMs) -> list[Raised]:
        """Of those that fired what follows, in their order. Each partition is one call, all at the same time."""
        places: dict[bytes, list[int]] = {}
        for place, sighting in enumerate(sightings):
            places.setdefault(self._tag(sighting.signal.per, sighting.names[0]), []).append(place)
        answers = [(those, self._asked(tag, [sightings[place] for place in those])) for tag, those in places.items()]
        found: dict[int, Raised] = {}
        for those, answer in answers:
            told = await answer
            if told is None:  # knockout: unanswered_is_counted_here
                found |= await self._counted_alone(sightings, those, now)
            else:
                found |= {those[number]: raised for number, raised in told}
        return [found[place] for place in sorted(found)]

    def _asked(self, tag: bytes, sightings: list[Sighting]) -> "asyncio.Future[tuple[tuple[int, Raised], ...] | None]":
        done: asyncio.Future[tuple[tuple[int, Raised], ...] | None] = asyncio.get_running_loop().create_future()
        self._ask(tag, scoring(tag, sightings, self._room, done))
        return done

    async def _counted_alone(
        self, sightings: tuple[Sighting, ...], places: list[int], now: UnixMs
    ) -> dict[int, Raised]:
        found: dict[int, Raised] = {}
        for place in places:
            self._heard()
            for raised in await self._alone.score((sightings[place],), now):
                found[place] = raised
        return found

    def _ask(self, tag: bytes, call: Call) -> None:
        shard = self._servers.holder(tag)
        if shard is None:
            call.failed(_NOWHERE)
        else:
            shard.call(call)

    def _tag(self, kind: SubjectKind, name: str) -> bytes:
        return ONE if self._partitions is None else self._partitions.of(home(kind, name))
