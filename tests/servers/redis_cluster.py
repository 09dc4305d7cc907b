"""A Redis Cluster of three masters (redis.io, "Redis cluster specification"), and moving a slot from one to another."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import msgspec

from tests.ports import free_port
from tests.servers.redis import Announce, RedisServer, itself

SLOTS = 16_384
_NODE_TIMEOUT_MS = 2000
_KEYS_AT_ONCE = 100


class ClusterNode(msgspec.Struct, frozen=True):
    """One master: what it calls itself, where others are told to find it, and the slots that it began with."""

    id: str
    server: RedisServer
    announced: int
    first_slot: int
    last_slot: int

    def held(self) -> list[str]:
        """All keys that it holds."""
        found = self.server.ask("KEYS", "*")
        assert isinstance(found, list)
        return [key.decode() for key in found]


class RedisCluster(msgspec.Struct, frozen=True):
    """All slots are served."""

    nodes: tuple[ClusterNode, ...]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.announced}" for node in self.nodes)

    def slot_of(self, key: str) -> int:
        """The slot of a key."""
        slot = self.nodes[0].server.ask("CLUSTER", "KEYSLOT", key)
        assert isinstance(slot, int)
        return slot

    def holder_of(self, slot: int) -> ClusterNode:
        """The master that serves a slot now, as it says itself."""
        return next(node for node in self.nodes if slot in _own_slots(node))

    @contextmanager
    def migrating(self, slot: int) -> Iterator[None]:
        """A slot on its way from its holder to another for the time of the block; its keys move at the block's end.

        In between what is there is answered by the old holder, and what is not is sent on with ASK.
        """
        source = self.holder_of(slot)
        target = next(node for node in self.nodes if node is not source)
        target.server.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.server.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        yield
        while keys := source.server.ask("CLUSTER", "GETKEYSINSLOT", slot, _KEYS_AT_ONCE):
            assert isinstance(keys, list)
            source.server.ask("MIGRATE", "127.0.0.1", target.server.port, "", 0, 5000, "KEYS", *keys)
        for node in (target, source, *self.nodes):  # the target first: no slot is ever without a holder
            node.server.ask("CLUSTER", "SETSLOT", slot, "NODE", target.id)


@contextmanager
def redis_cluster(config: Mapping[str, str] | None = None, *, announce: Announce = itself) -> Iterator[RedisCluster]:
    """Three masters that share all slots and know it, for the time of the block."""
    with ExitStack() as stack:
        nodes = tuple(_node(stack, number, config or {}, announce) for number in range(3))
        for node in nodes:
            node.server.ask("CLUSTER", "ADDSLOTSRANGE", node.first_slot, node.last_slot)
            node.server.ask("CLUSTER", "SET-CONFIG-EPOCH", nodes.index(node) + 1)
        for node in nodes[1:]:
            node.server.ask(
                "CLUSTER", "MEET", "127.0.0.1", nodes[0].server.port, nodes[0].server.config["cluster-port"]
            )
        for node in nodes:
            node.server.until(lambda node=node: _is_whole(node))  # type: ignore[misc]
        yield RedisCluster(nodes)


def _node(stack: ExitStack, number: int, config: Mapping[str, str], announce: Announce) -> ClusterNode:
    server = RedisServer(config)
    announced, bus_port = announce(server.port), str(free_port())
    server.config |= {
        "cluster-enabled": "yes",
        "cluster-node-timeout": str(_NODE_TIMEOUT_MS),
        "cluster-port": bus_port,
        "cluster-announce-ip": "127.0.0.1",
        "cluster-announce-port": str(announced),
        "cluster-announce-bus-port": bus_port,
    }
    stack.enter_context(server)
    with server.client() as client:
        own_id = client.ask_text("CLUSTER", "MYID")
    return ClusterNode(own_id, server, announced, number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1)


def _is_whole(node: ClusterNode) -> bool:
    with node.server.client() as client:
        told = client.ask_text("CLUSTER", "INFO").splitlines()
    return {"cluster_state:ok", "cluster_known_nodes:3", f"cluster_slots_ok:{SLOTS}"} <= set(told)


def _own_slots(node: ClusterNode) -> set[int]:
    with node.server.client() as client:
        lines = client.ask_text("CLUSTER", "NODES").splitlines()
    own = next(line.split() for line in lines if line.startswith(node.id))
    slots: set[int] = set()
    for span in own[8:]:
        if not span.startswith("["):  # one that is on its way
            first, _, last = span.partition("-")
            slots.update(range(int(first), int(last or first) + 1))
    return slots
