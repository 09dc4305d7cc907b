"""The servers that hold the partitions: one, or the masters of a Cluster, followed as slots move and masters fail."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.crc import key_slot

from guard.model.names import UnixMs
from guard.model.questions import Unavailable
from guard.state.redis.address import RedisAddress
from guard.state.redis.calls import Call
from guard.state.redis.line import FAULTS
from guard.state.redis.origin import Origin, connections, server_connection
from guard.state.redis.shard import Shard

CONNECT_S: Final = 1.0
_LOOK_EVERY_S = 1.0
_LOOK_AGAIN_S = 0.05
_NOWHERE = Unavailable("redis: no server holds the slot")

Place = tuple[str, int]


class Servers(Protocol):
    """Who holds what."""

    def holder(self, tag: bytes) -> Shard | None:
        """The server that holds a partition, as far as is known."""
        ...

    @property
    def born_at(self) -> UnixMs | None:
        """When the youngest memory among them begins; None while one has not told."""
        ...

    async def close(self) -> None:
        """Send what is to be given back, and end."""
        ...


class OneShard(Servers):
    """One server holds everything."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard

    def holder(self, _tag: bytes) -> Shard | None:
        """That one."""
        return self._shard

    @property
    def born_at(self) -> UnixMs | None:
        """When its memory begins."""
        return self._shard.born_at

    async def close(self) -> None:
        """Close it."""
        await self._shard.close()


class NodeOrigin(Origin):
    """One server of a Cluster."""

    def __init__(self, pool: ConnectionPool, place: Place, replicas: int) -> None:
        self.replicas = replicas
        self._pool = pool
        self._place = place

    async def connection(self) -> AbstractConnection:
        """To that server."""
        return server_connection(self._pool, *self._place)


class ClusterShards(Servers):
    """A shard for each master. The map is asked for each second, and at once when a server says that a slot has moved.

    What a server has refused with MOVED it has not done: it is asked of the new holder, within the same deadline.
    """

    def __init__(
        self,
        address: RedisAddress,
        tags: tuple[bytes, ...],
        make: Callable[[Origin, Callable[[], Iterable[bytes]]], Shard],
    ) -> None:
        self._address = address
        self._pool = connections(address, CONNECT_S)
        self._slots = {tag: key_slot(b"guard:" + tag) for tag in tags}
        self._make = make
        self._shards: dict[Place, Shard] = {}
        self._holders: dict[bytes, Place] = {}
        self._moved: list[Call] = []
        self._look = asyncio.Event()
        self._following = asyncio.create_task(self._follow(), name="follow the Cluster")

    def holder(self, tag: bytes) -> Shard | None:
        """The master of the partition's slot."""
        place = self._holders.get(tag)
        return None if place is None else self._shards.get(place)

    @property
    def born_at(self) -> UnixMs | None:
        """When the youngest memory among them begins."""
        born = [shard.born_at for shard in self._shards.values()]
        known = [each for each in born if each is not None]
        return max(known) if known and len(known) == len(born) else None

    def moved(self, call: Call) -> None:
        """A server said that it no longer holds the slot of this call."""
        self._moved.append(call)
        self._look.set()

    async def opened(self) -> None:
        """Look once, and open what was found. Raises Unfit where a server must not be used."""
        await self._refresh()
        await asyncio.gather(*(shard.opened() for shard in self._shards.values()))

    async def close(self) -> None:
        """Close all."""
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)
        await asyncio.gather(*(shard.close() for shard in self._shards.values()))

    async def _follow(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._look.wait()
            except TimeoutError:
                pass
            self._look.clear()
            await self._refresh()
            moved, self._moved = self._moved, []
            for call in moved:
                self._again(call)
            if moved:
                await asyncio.sleep(_LOOK_AGAIN_S)

    def _again(self, call: Call) -> None:
        tag = call.keys[0].removeprefix(b"guard:").removesuffix(b"epoch")
        shard = self.holder(tag)
        if shard is None:
            call.failed(_NOWHERE)
        else:
            shard.call(call)

    async def _refresh(self) -> None:
        """Ask one server after another who holds what, until one tells."""
        for host, port in (*self._shards, *self._address.hosts):
            try:
                async with asyncio.timeout(CONNECT_S):
                    ranges = await self._ranges(host, port)
            except FAULTS:
                continue
            await self._adopt(ranges)
            return

    async def _ranges(self, host: str, port: int) -> list[tuple[int, int, Place]]:
        connection = server_connection(self._pool, host, port)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_command("CLUSTER", "SLOTS")
            told = await connection.read_response(disable_decoding=True)
        finally:
            await connection.disconnect(nowait=True)
        return [(first, last, (master[0].decode() or host, master[1])) for first, last, master, *_ in told]

    async def _adopt(self, ranges: list[tuple[int, int, Place]]) -> None:
        holders = {
            tag: place for tag, slot in self._slots.items() for first, last, place in ranges if first <= slot <= last
        }
        for place in set(holders.values()) - set(self._shards):
            self._shards[place] = self._make(
                NodeOrigin(self._pool, place, self._address.replicas),
                lambda place=place: [tag for tag, holder in self._holders.items() if holder == place],  # type: ignore[misc]
            )
        self._holders = holders
        for place in set(self._shards) - set(holders.values()):
            await self._shards.pop(place).close()
