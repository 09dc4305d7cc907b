"""The stores that a fleet is put on: each server behind a fault proxy, which is the address that is told of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeAlias

import msgspec

from tests.faults.proxy import FaultProxy, fault_proxy
from tests.faults.wires import Postgres, Resp
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.servers.redis_cluster import RedisCluster, redis_cluster
from tests.servers.redis_sentinel import SentinelGroup, redis_sentinel

CHARGES = ("EVALSHA", "EVAL", "FCALL")
"""The commands by which a decision may be asked of Redis."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Shared state that is up: one Redis, or several under Sentinel or in a Cluster."""

    url: str
    servers: tuple[RedisServer, ...]
    proxies: tuple[FaultProxy, ...]
    sentinels: SentinelGroup | None = None
    cluster: RedisCluster | None = None

    def proxy_of(self, server: RedisServer) -> FaultProxy:
        """What stands in front of one of the servers."""
        return self.proxies[self.servers.index(server)]

    def heal(self) -> None:
        for proxy in self.proxies:
            proxy.heal()


Topology: TypeAlias = Callable[[int], AbstractContextManager[State]]
"""Starts a state, given the seed of its proxies."""


@contextmanager
def single(seed: int, config: Mapping[str, str] | None = None) -> Iterator[State]:
    """One Redis that writes down each change, and loses the last second of them when it is killed."""
    durable = {"appendonly": "yes", "appendfsync": "everysec"}
    with RedisServer(durable | dict(config or {})) as redis, fault_proxy(redis.port, Resp, seed) as proxy:
        yield State(url=f"redis://127.0.0.1:{proxy.port}/0", servers=(redis,), proxies=(proxy,))


@contextmanager
def under_sentinel(seed: int) -> Iterator[State]:
    """A primary and two replicas; replicas copy through the primary's proxy, so that they can be held back there."""
    with ExitStack() as stack:
        proxies = _Proxies(stack, seed)
        strict = {"min-replicas-to-write": "1", "min-replicas-max-lag": "2"}
        group = stack.enter_context(redis_sentinel(strict, announce=proxies.before))
        yield State(url=group.url, servers=tuple(group.nodes.values()), proxies=tuple(proxies.made), sentinels=group)


@contextmanager
def in_cluster(seed: int) -> Iterator[State]:
    """Three masters."""
    with ExitStack() as stack:
        proxies = _Proxies(stack, seed)
        cluster = stack.enter_context(redis_cluster(announce=proxies.before))
        servers = tuple(node.server for node in cluster.nodes)
        yield State(url=cluster.url, servers=servers, proxies=tuple(proxies.made), cluster=cluster)


class Database(msgspec.Struct, frozen=True):
    """PostgreSQL, and what stands in front of it. Nodes go through the proxy, administrators beside it."""

    server: PostgresServer
    proxy: FaultProxy

    @property
    def url(self) -> str:
        return self.server.url.replace(str(self.server.port), str(self.proxy.port))


@contextmanager
def database(seed: int) -> Iterator[Database]:
    """One PostgreSQL."""
    with PostgresServer() as server, fault_proxy(server.port, Postgres, seed) as proxy:
        yield Database(server, proxy)


class _Proxies:
    """Proxies as they are asked for, in the order of the servers."""

    def __init__(self, stack: ExitStack, seed: int) -> None:
        self._stack = stack
        self._seed = seed
        self.made: list[FaultProxy] = []

    def before(self, port: int) -> int:
        """Where to find, from now on, what listens at this port."""
        proxy = self._stack.enter_context(fault_proxy(port, Resp, self._seed + len(self.made)))
        self.made.append(proxy)
        return proxy.port
