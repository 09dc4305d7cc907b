"""A primary, two replicas and three Sentinels that fail over by themselves (redis.io, "High availability with Redis
Sentinel"), with the delays of a test: a primary that is silent for half a second is down.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import msgspec

from tests.servers.process import Server
from tests.servers.redis import Announce, RedisServer, in_step, itself
from tests.servers.resp import RedisClient, RedisError

SERVICE = "guard"
_DOWN_AFTER_MS = 500
_QUORUM = 2
_FAILOVER_S = 30.0


class SentinelServer(Server):
    """One Sentinel, told of a primary."""

    def __init__(self, primary_port: int) -> None:
        super().__init__("sentinel")
        self._primary_port = primary_port

    def command(self) -> tuple[str, ...]:
        file = self.folder / "sentinel.conf"
        if not file.exists():  # it writes there what it learns
            file.write_text(
                f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\n"
                f"sentinel monitor {SERVICE} 127.0.0.1 {self._primary_port} {_QUORUM}\n"
                f"sentinel down-after-milliseconds {SERVICE} {_DOWN_AFTER_MS}\n"
                f"sentinel failover-timeout {SERVICE} 3000\n"
                f"sentinel parallel-syncs {SERVICE} 2\n"
            )
        return ("redis-server", str(file), "--sentinel")

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return client.ask("PING") == b"PONG"
        except OSError:
            return False

    def empty(self) -> None:
        (self.folder / "sentinel.conf").unlink()

    def client(self) -> RedisClient:
        return RedisClient(self.port)

    def primary_port(self) -> int:
        """Where it says that the primary is."""
        with self.client() as client:
            _, port = client.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)  # type: ignore[misc]
        return int(port)  # type: ignore[arg-type]

    def agrees(self) -> bool:
        """Whether it knows both replicas and both other Sentinels, and could fail over."""
        with self.client() as client:
            try:
                checked = client.ask("SENTINEL", "CKQUORUM", SERVICE)
            except RedisError:
                return False
        return bytes(checked).startswith(b"OK 3") and self._told()[b"num-slaves"] == b"2"  # type: ignore[arg-type]

    def rests(self) -> bool:
        """Whether it holds the primary for well, and replaces nobody."""
        return self._told()[b"flags"] == b"master"

    def _told(self) -> dict[object, object]:
        """What it knows of the primary."""
        with self.client() as client:
            flat = client.ask("SENTINEL", "MASTER", SERVICE)
        assert isinstance(flat, list)
        return dict(zip(flat[::2], flat[1::2], strict=True))


class SentinelGroup(msgspec.Struct, frozen=True):
    """What is monitored, each server under the port that it is announced as, and who monitors."""

    nodes: dict[int, RedisServer]
    sentinels: tuple[SentinelServer, ...]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    @property
    def primary(self) -> RedisServer:
        """The primary, as the first Sentinel says."""
        return self.nodes[self.sentinels[0].primary_port()]

    @property
    def replicas(self) -> tuple[RedisServer, ...]:
        primary = self.primary
        return tuple(node for node in self.nodes.values() if node is not primary)

    def fail_over(self) -> RedisServer:
        """Have another promoted, while the old primary lives; the new primary."""
        before = self.primary
        with self.sentinels[0].client() as client:
            client.ask("SENTINEL", "FAILOVER", SERVICE)
        return self.await_failover(before)

    def await_failover(self, before: RedisServer) -> RedisServer:
        """Wait until all Sentinels name one other primary, and it takes writes; the new primary."""
        self.sentinels[0].until(lambda: self._agreed() not in (None, before), _FAILOVER_S)
        return self.primary

    def await_rest(self) -> None:
        """Wait until none of the Sentinels is about to replace the primary: one that was silent for long enough may be
        replaced though it speaks again.
        """
        self.sentinels[0].until(
            lambda: all(sentinel.rests() for sentinel in self.sentinels) and self._agreed() is not None, _FAILOVER_S
        )

    def _agreed(self) -> RedisServer | None:
        """The one that all Sentinels name, if it takes writes."""
        ports = {sentinel.primary_port() for sentinel in self.sentinels}
        named = self.nodes[ports.pop()]
        takes_writes = not ports and named.answers() and named.info("replication")["role"] == "master"
        return named if takes_writes else None


@contextmanager
def redis_sentinel(config: Mapping[str, str] | None = None, *, announce: Announce = itself) -> Iterator[SentinelGroup]:
    """Three servers and three Sentinels that all know each other, for the time of the block."""
    common = {"repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1", **(config or {})}
    with ExitStack() as stack:
        nodes: dict[int, RedisServer] = {}
        for _ in range(3):
            node = RedisServer(common)
            port = announce(node.port)
            node.config |= {"replica-announce-ip": "127.0.0.1", "replica-announce-port": str(port)}
            if nodes:
                node.config["replicaof"] = f"127.0.0.1 {next(iter(nodes))}"
            nodes[port] = stack.enter_context(node)
        for replica in list(nodes.values())[1:]:
            replica.until(lambda replica=replica: in_step(replica))  # type: ignore[misc]
        first = next(iter(nodes))
        sentinels = tuple(stack.enter_context(SentinelServer(first)) for _ in range(3))
        for sentinel in sentinels:
            sentinel.until(sentinel.agrees)
        yield SentinelGroup(nodes, sentinels)
