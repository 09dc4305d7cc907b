"""Redis servers for tests: one alone, or a primary with a replica."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TypeAlias

import msgspec

from tests.server.certificates import Authority
from tests.servers.process import Server
from tests.servers.resp import RedisClient, RedisError, Word

Announce: TypeAlias = Callable[[int], int]
"""What others are told instead of a port: where something stands in front of it."""


def itself(port: int) -> int:
    """Nothing stands in front of it."""
    return port


class RedisServer(Server):
    """One Redis. `config` is what redis.conf says beside where it listens; it stores nothing on disk by itself.

    Whoever asks through `client` or `ask` does so as `credentials` say: a password, or a user and a password.
    """

    def __init__(
        self, config: Mapping[str, str] | None = None, *, credentials: tuple[str, ...] = (), tls: bool = False
    ) -> None:
        super().__init__("redis")
        self.config = {"save": '""', "maxmemory-policy": "noeviction", **(config or {})}
        self.credentials = credentials
        self.authority = Authority(self.folder, "redis-ca") if tls else None

    @property
    def url(self) -> str:
        scheme = "redis" if self.authority is None else "rediss"
        user, password = (("", *self.credentials) if len(self.credentials) == 1 else self.credentials) or ("", "")
        login = f"{user}:{password}@" if self.credentials else ""
        return f"{scheme}://{login}127.0.0.1:{self.port}/0"

    @property
    def trust(self) -> ssl.SSLContext | None:
        return None if self.authority is None else self.authority.trusted()

    def client(self, timeout_s: float = 5.0) -> RedisClient:
        """A connection of its own."""
        return RedisClient(self.port, credentials=self.credentials, tls=self.trust, timeout_s=timeout_s)

    def ask(self, *words: Word) -> object:
        """One command on a connection of its own."""
        with self.client() as client:
            return client.ask(*words)

    def info(self, section: str) -> dict[str, str]:
        """What INFO tells of one section."""
        with self.client() as client:
            return client.info(section)

    def now_us(self) -> int:
        """The time on this server's clock, in microseconds."""
        with self.client() as client:
            seconds, microseconds = (int(each) for each in client.ask("TIME"))  # type: ignore[union-attr, arg-type]
        return seconds * 1_000_000 + microseconds

    def command(self) -> tuple[str, ...]:
        file = self.folder / "redis.conf"
        if not file.exists():  # a Sentinel has it rewritten
            lines = [f"{name} {value}" for name, value in (self._listening() | self.config).items()]
            file.write_text("\n".join((*lines, "")))
        return ("redis-server", str(file))

    def answers(self) -> bool:
        try:
            return self.ask("PING") == b"PONG"
        except (OSError, RedisError):  # not listening yet, or LOADING
            return False

    def empty(self) -> None:
        for stored in (*self.folder.glob("*.rdb"), *self.folder.glob("appendonlydir/*")):
            stored.unlink()

    def _listening(self) -> dict[str, str]:
        always = {"bind": "127.0.0.1", "dir": str(self.folder)}
        if self.authority is None:
            return always | {"port": str(self.port)}
        cert_file, key_file = self.authority.pair("redis")
        return always | {
            "port": "0",
            "tls-port": str(self.port),
            "tls-cert-file": str(cert_file),
            "tls-key-file": str(key_file),
            "tls-ca-cert-file": str(self.authority.file),
            "tls-auth-clients": "no",
        }


class RedisPair(msgspec.Struct, frozen=True):
    """A primary, and a replica that has all of it."""

    primary: RedisServer
    replica: RedisServer

    def promote(self) -> RedisServer:
        """Make the replica a primary, as an operator would; the other is told nothing."""
        self.replica.ask("REPLICAOF", "NO", "ONE")
        return self.replica


@contextmanager
def redis_pair(
    config: Mapping[str, str] | None = None, *, min_replicas: int = 0, announce: Announce = itself
) -> Iterator[RedisPair]:
    """A primary and its replica, in step, for the time of the block.

    With `min_replicas` the primary takes no writes unless so many replicas have confirmed within two seconds.
    """
    common = {"repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1", **(config or {})}
    strict = {"min-replicas-to-write": str(min_replicas), "min-replicas-max-lag": "2"}
    with ExitStack() as stack:
        primary = stack.enter_context(RedisServer(common | strict))
        of = announce(primary.port)
        replica = stack.enter_context(RedisServer(common | {"replicaof": f"127.0.0.1 {of}"}))
        pair = RedisPair(primary, replica)
        replica.until(lambda: in_step(replica))
        primary.until(lambda: primary.info("replication").get("slave0", "").find("state=online") > 0)
        yield pair


def in_step(replica: RedisServer) -> bool:
    """Whether a replica has all that its primary had."""
    return replica.info("replication").get("master_link_status") == "up"
