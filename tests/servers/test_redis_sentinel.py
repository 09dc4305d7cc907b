"""The Sentinels of the tests fail over for real."""

from collections.abc import Iterator

import pytest

from tests.servers.redis_sentinel import SentinelGroup, redis_sentinel

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def group() -> Iterator[SentinelGroup]:
    with redis_sentinel() as made:
        yield made


def test_the_sentinels_know_the_primary_and_its_replicas(group: SentinelGroup) -> None:
    assert group.primary.info("replication")["role"] == "master"
    assert [replica.info("replication")["role"] for replica in group.replicas] == ["slave", "slave"]


def test_a_failover_that_is_asked_for_names_another_primary_with_the_same_contents(group: SentinelGroup) -> None:
    before = group.primary
    with before.client() as client:
        client.ask("SET", "a", 1)
        assert client.ask("WAIT", 2, 1000) == 2
    after = group.fail_over()
    assert after is not before
    assert after.ask("GET", "a") == b"1"


def test_a_primary_that_is_killed_is_replaced_and_comes_back_as_a_replica(group: SentinelGroup) -> None:
    before = group.primary
    before.kill()
    after = group.await_failover(before)
    assert after.ask("SET", "b", 1) == b"OK"
    before.restart()

    def is_replica() -> bool:
        try:
            return before.info("replication")["role"] == "slave"
        except OSError:  # whoever makes it a replica cuts its clients
            return False

    before.until(is_replica)
