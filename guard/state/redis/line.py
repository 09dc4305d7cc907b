"""One connection to one Redis, opened and known: what runs there, since when, and that nothing is evicted.

Commands are written in any number and answered in their order; the shard's two tasks own it, one writing, one reading.
No request ever does, so that a request that is cancelled leaves no answer behind for another (redis-py issue 2624).
"""

import asyncio
import math
from collections.abc import Callable

import msgspec
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from guard.state.faults import StateError
from guard.state.redis.command import command
from guard.state.redis.origin import Origin
from guard.state.redis.scripts import ALL

_VERSION_MIN = 7

FAULTS = (RedisError, OSError, TimeoutError)
"""What a connection may raise, to be answered by closing it and opening another."""


class Unfit(StateError):  # noqa: N818  # what the server is
    """The server answers, and cannot be used as it is set up."""


class Server(msgspec.Struct, frozen=True):
    """What a server told of itself. `run` is drawn anew with each start of it; `replicas` are those connected."""

    run: str
    replicas: int


class Line:
    """A connection that is open. `answers` is run by one task, `send` by another."""

    def __init__(self, connection: AbstractConnection, server: Server) -> None:
        self._connection = connection
        self.server = server

    async def send(self, commands: bytes) -> None:
        """Write; waits only while the server does not read."""
        await self._connection.send_packed_command(commands, check_health=False)

    async def answers(self, answered: Callable[[object], None]) -> None:
        """Hand on one answer after another, errors among them, until the connection breaks. Then it raises."""
        read = self._connection.read_response
        while True:
            try:
                answer: object = await read(disable_decoding=True, timeout=math.inf)
            except ResponseError as error:
                answer = error
            answered(answer)

    async def close(self) -> None:
        """Close it, without a farewell."""
        await self._connection.disconnect(nowait=True)


async def open_line(origin: Origin, within_s: float) -> Line:
    """Connect, and learn who answers. Raises one of FAULTS, or Unfit."""
    async with asyncio.timeout(within_s):
        connection = await origin.connection()
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            return Line(connection, await _introduced(connection, origin.replicas))
        except BaseException:
            await connection.disconnect(nowait=True)
            raise


async def _introduced(connection: AbstractConnection, replicas: int) -> Server:
    loads = b"".join(command(b"SCRIPT", b"LOAD", script.source) for script in ALL)
    await connection.send_packed_command(
        command(b"INFO", b"server", b"memory", b"replication") + loads, check_health=False
    )
    told = await connection.read_response(disable_decoding=True)
    for _ in ALL:
        await connection.read_response()
    facts = dict(line.split(":", 1) for line in told.decode().splitlines() if ":" in line)
    server = _fit(facts)
    if facts.get("role") != "master":
        raise ConnectionError("the server is a replica")
    if server.replicas < replicas:  # knockout: replicas_demanded
        raise ConnectionError(f"the server has {server.replicas} of the {replicas} replicas demanded")
    return server


def _fit(facts: dict[str, str]) -> Server:
    version = facts.get("redis_version", "?")
    if not version.split(".")[0].isdecimal() or int(version.split(".")[0]) < _VERSION_MIN:
        raise Unfit(f"Redis {version} is too old: guard needs Redis {_VERSION_MIN} or Valkey")
    policy = facts.get("maxmemory_policy")
    if policy != "noeviction":
        raise Unfit(
            f"this Redis has the maxmemory-policy {policy}, and what it evicts could be executed again: "
            "set maxmemory-policy noeviction"
        )
    return Server(facts["run_id"], int(facts.get("connected_slaves", 0)))
