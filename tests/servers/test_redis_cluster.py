"""The Cluster of the tests is a real one, and its slots move."""

from collections.abc import Iterator

import pytest

from tests.servers.redis_cluster import RedisCluster, redis_cluster
from tests.servers.resp import RedisError

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with redis_cluster() as made:
        yield made


def test_each_of_three_masters_serves_its_slots_and_sends_on_for_others(cluster: RedisCluster) -> None:
    slot = cluster.slot_of("{acme}")
    holder = cluster.holder_of(slot)
    other = next(node for node in cluster.nodes if node is not holder)
    assert holder.server.ask("SET", "{acme}", 1) == b"OK"
    with pytest.raises(RedisError, match=f"^MOVED {slot} 127.0.0.1:{holder.announced}$"):
        other.server.ask("GET", "{acme}")


def test_a_slot_on_its_way_is_asked_for_at_both_and_then_served_by_the_other(cluster: RedisCluster) -> None:
    slot = cluster.slot_of("{moving}")
    before = cluster.holder_of(slot)
    before.server.ask("SET", "{moving}:a", 1)
    with cluster.migrating(slot):
        assert before.server.ask("GET", "{moving}:a") == b"1"
        with pytest.raises(RedisError, match=f"^ASK {slot} "):
            before.server.ask("GET", "{moving}:b")
    after = cluster.holder_of(slot)
    assert after is not before
    assert after.server.ask("GET", "{moving}:a") == b"1"
    with pytest.raises(RedisError, match=f"^MOVED {slot} 127.0.0.1:{after.announced}$"):
        before.server.ask("GET", "{moving}:a")
