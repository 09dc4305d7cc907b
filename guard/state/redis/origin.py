"""Which server to connect to: the one that was named, or the one that Sentinels call the master now.

redis-py makes the connections: TLS, users and passwords, databases. It retries nothing: what was asked once may have
been done, and only who asked knows what that means.
"""

from asyncio import gather
from collections import Counter
from typing import Protocol

from redis.asyncio.client import Redis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from guard.state.redis.address import RedisAddress


class Origin(Protocol):
    """Where to find a server that takes writes, which must have so many `replicas`."""

    replicas: int

    async def connection(self) -> AbstractConnection:
        """A new connection, not opened yet. Raises RedisError or OSError where nobody knows a server."""
        ...


class OneServer(Origin):
    """The server that was named."""

    def __init__(self, address: RedisAddress, connect_s: float) -> None:
        self.replicas = address.replicas
        self._pool = connections(address, connect_s)

    async def connection(self) -> AbstractConnection:
        """To that server."""
        connection: AbstractConnection = self._pool.connection_class(**self._pool.connection_kwargs)
        return connection


class SentinelMaster(Origin):
    """The server that most of the Sentinels that answer call the master of a service. All are asked, each time."""

    def __init__(self, address: RedisAddress, connect_s: float) -> None:
        self.replicas = address.replicas
        self._pool = connections(address, connect_s)
        self._service = address.service
        asking = {
            **address.sentinel,
            "socket_timeout": connect_s / 4,
            "socket_connect_timeout": connect_s / 4,
            "retry": Retry(NoBackoff(), 0),
        }
        self._sentinels = [Redis(host=host, port=port, **asking) for host, port in address.hosts]  # type: ignore[arg-type]

    async def connection(self) -> AbstractConnection:
        """To the master of this moment."""
        named = Counter(address for address in await gather(*map(self._master, self._sentinels)) if address is not None)
        if not named:
            raise ConnectionError(f"no Sentinel knows the master of {self._service}")
        [((host, port), _)] = named.most_common(1)
        return server_connection(self._pool, host, port)

    async def _master(self, sentinel: Redis) -> tuple[str, int] | None:
        try:
            told = await sentinel.execute_command(  # type: ignore[no-untyped-call]
                "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service
            )
        except (RedisError, OSError):
            return None
        finally:
            await sentinel.aclose()
        return None if told is None else (told[0].decode(), int(told[1]))


def connections(address: RedisAddress, connect_s: float) -> ConnectionPool:
    """What makes connections as the address says, and holds none."""
    return ConnectionPool.from_url(
        address.url,
        protocol=2,
        socket_timeout=None,
        socket_connect_timeout=connect_s,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        client_name="guard",
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )


def server_connection(pool: ConnectionPool, host: str, port: int) -> AbstractConnection:
    """A connection like those of the pool, to another server."""
    connection: AbstractConnection = pool.connection_class(**{**pool.connection_kwargs, "host": host, "port": port})
    return connection
