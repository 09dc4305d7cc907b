"""What can go wrong around a fleet, each begun and ended: trouble of the network, of Redis, of nodes, of PostgreSQL.

A trouble takes its strength and its victims from the draw it is given, so that a seed repeats it.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

import msgspec

from tests.faults.link import Fate, Towards
from tests.faults.scene import PATIENCE_MS, Fleet
from tests.faults.stores import CHARGES, Database, State
from tests.faults.wires import EVERY_KIND, Kind
from tests.servers.process import Server


class Victims(msgspec.Struct, frozen=True):
    """All that a trouble can befall."""

    fleet: Fleet
    state: State
    database: Database
    draw: random.Random


Trouble: TypeAlias = Callable[[Victims], AbstractContextManager[None]]
"""Lasts as long as its block; after that everything is there again, if not at once."""


@contextmanager
def answers_are_lost(victims: Victims) -> Iterator[None]:
    """A share of the charges is spent, and nobody hears of it."""
    for proxy in victims.state.proxies:
        proxy.lose(*CHARGES, share=victims.draw.uniform(0.02, 0.3))
    yield
    victims.state.heal()


@contextmanager
def answers_hang(victims: Victims) -> Iterator[None]:
    """As before, but connections stay, and the answers come when it is over."""
    for proxy in victims.state.proxies:
        proxy.lose(*CHARGES, share=victims.draw.uniform(0.02, 0.3), fate=Fate.HANGS)
    yield
    victims.state.heal()


@contextmanager
def answers_are_late(victims: Victims) -> Iterator[None]:
    """By up to a deadline on each way, so that some come before it and some after."""
    for proxy in victims.state.proxies:
        proxy.delay(0, victims.draw.uniform(PATIENCE_MS / 4, PATIENCE_MS))
    yield
    victims.state.heal()


@contextmanager
def packets_are_dropped(victims: Victims) -> Iterator[None]:
    """Nothing passes in one direction, or in both."""
    ways = victims.draw.choice([frozenset({Towards.SERVER}), frozenset({Towards.CLIENT}), frozenset(Towards)])
    for proxy in victims.state.proxies:
        proxy.pause(ways, EVERY_KIND - {Kind.COPIES})
    yield
    victims.state.heal()


@contextmanager
def news_are_dropped(victims: Victims) -> Iterator[None]:
    """Pub/sub alone is a black hole."""
    for proxy in victims.state.proxies:
        proxy.pause(kinds=frozenset({Kind.HEARS}))
    yield
    victims.state.heal()


@contextmanager
def connections_are_cut(victims: Victims) -> Iterator[None]:
    """Some at once, and one in the middle of a message."""
    for proxy in victims.state.proxies:
        proxy.cut(EVERY_KIND - {Kind.COPIES}, resets=victims.draw.random() < 0.5)
        proxy.cut_after(victims.draw.randrange(1, 20_000), victims.draw.choice(list(Towards)))
    yield
    victims.state.heal()


@contextmanager
def connections_are_refused(victims: Victims) -> Iterator[None]:
    """As if no Redis were there."""
    for proxy in victims.state.proxies:
        proxy.refuse()
        proxy.cut(EVERY_KIND - {Kind.COPIES})
    yield
    victims.state.heal()


@contextmanager
def redis_stalls(victims: Victims) -> Iterator[None]:
    """SIGSTOP, SIGCONT."""
    with _stopped(victims.draw.choice(victims.state.servers)):
        yield


@contextmanager
def redis_dies(victims: Victims) -> Iterator[None]:
    """SIGKILL, and a start with what it had written, which is not all."""
    server = victims.draw.choice(victims.state.servers)
    server.kill()
    yield
    server.restart()


@contextmanager
def redis_is_emptied(victims: Victims) -> Iterator[None]:
    """SIGKILL, and a start with nothing."""
    server = victims.draw.choice(victims.state.servers)
    server.kill()
    yield
    server.restart(empty=victims.state.cluster is None)  # a Cluster's node would not know its slots


@contextmanager
def a_node_stalls(victims: Victims) -> Iterator[None]:
    """SIGSTOP of all its processes."""
    with _stopped(victims.draw.choice(victims.fleet.nodes)):
        yield


@contextmanager
def a_node_dies(victims: Victims) -> Iterator[None]:
    """SIGKILL of all its processes, and a new start."""
    node = victims.draw.choice(victims.fleet.nodes)
    node.kill()
    yield
    node.start()


@contextmanager
def a_worker_dies(victims: Victims) -> Iterator[None]:
    """SIGKILL of one of them; its supervisor has to replace it."""
    workers = victims.draw.choice(victims.fleet.nodes).workers()
    if workers:
        os.kill(victims.draw.choice(workers), signal.SIGKILL)
    yield


@contextmanager
def the_database_stalls(victims: Victims) -> Iterator[None]:
    """SIGSTOP of PostgreSQL."""
    with _stopped(victims.database.server):
        yield


@contextmanager
def the_database_is_slow(victims: Victims) -> Iterator[None]:
    """Half a second for each message."""
    victims.database.proxy.delay(250)
    yield
    victims.database.proxy.heal()


@contextmanager
def the_primary_is_replaced(victims: Victims) -> Iterator[None]:
    """Replicas are cut off first, then the primary is killed, and another takes over without what came in between."""
    group = victims.state.sentinels
    assert group is not None
    before = group.primary
    victims.state.proxy_of(before).pause(kinds=frozenset({Kind.COPIES}))
    time.sleep(victims.draw.uniform(0.1, 0.5))
    before.kill()
    group.await_failover(before)
    yield
    victims.state.heal()
    before.restart()


@contextmanager
def slots_move(victims: Victims) -> Iterator[None]:
    """The slots of the account's charges, or of anything else that is stored, go to another master under way."""
    cluster = victims.state.cluster
    assert cluster is not None
    used = sorted({cluster.slot_of(key) for node in cluster.nodes for key in node.held()})
    if not used:
        yield
        return
    with cluster.migrating(victims.draw.choice(used)):
        yield


ANYWHERE: tuple[Trouble, ...] = (
    answers_are_lost,
    answers_hang,
    answers_are_late,
    packets_are_dropped,
    news_are_dropped,
    connections_are_cut,
    connections_are_refused,
    redis_stalls,
    redis_dies,
    a_node_stalls,
    a_node_dies,
    a_worker_dies,
    the_database_stalls,
    the_database_is_slow,
)


@contextmanager
def _stopped(server: Server) -> Iterator[None]:
    server.pause()
    try:
        yield
    finally:
        server.resume()
