"""Scores in Redis: what holds for a shared store beside the contract (tests/contract/test_redis.py)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from guard.model.abuse import Distinct, Sighting, SubjectKind
from guard.state.redis.limits import open_redis
from guard.state.redis.scores import AT_ONCE, RedisScores
from guard.state.scores import MemoryScores
from tests.build import NOW, abuse, signal
from tests.contract.score_store import one, points, sighting
from tests.servers.redis import RedisServer
from tests.servers.redis_cluster import redis_cluster
from tests.state.redis.timed import TimedScores, client, flushed

pytestmark = pytest.mark.system


@asynccontextmanager
async def scores_at(url: str, room: int = 0) -> AsyncIterator[TimedScores]:
    store = await TimedScores.open(url, room)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def unclocked(url: str, lost: list[int] | None = None) -> AsyncIterator[RedisScores]:
    """On the server's own clock."""
    told = [] if lost is None else lost
    store = await open_redis(url, timeout_ms=100 if told is lost else 5_000)
    try:
        yield store.scores(MemoryScores(), heard=lambda: told.append(1))
    finally:
        await store.close()


def _from(last: int) -> Sighting:
    return sighting(None, f"192.0.2.{last}", "192.0.2.0/24", "192.0.0.0/16", "192.0.0.0/8")


async def test_what_two_nodes_see_is_one_score(redis_url: str) -> None:
    asked = sighting(signal(at_least=10, over_ms=10_000))
    async with scores_at(flushed(redis_url)) as one_node, scores_at(redis_url) as other:
        told = [await points(node, asked) for node in (one_node, other) * 5]
        assert told == [None] * 9 + [20]
        assert await points(one_node, sighting()) == 40


async def test_many_events_on_two_nodes_at_once_are_each_counted_once(redis_url: str) -> None:
    many = tuple(sighting(signal(points=1)) for _ in range(500))
    async with scores_at(flushed(redis_url)) as one_node, scores_at(redis_url) as other:
        found = await asyncio.gather(one_node.score(many, NOW), other.score(many, NOW))
        assert sorted(raised.points for raiseds in found for raised in raiseds) == list(range(1, 1001))


async def test_who_is_new_to_a_full_table_is_counted_with_its_neighbours_and_nobody_not_at_all(redis_url: str) -> None:
    async with scores_at(flushed(redis_url), room=4) as scores:
        names = []
        for last in range(10):
            raised = await one(scores, _from(last))
            assert raised is not None
            names.append((raised.name, raised.points))
    assert names[3:] == [("192.0.2.3", 20), *(("192.0.2.0/24", 20 * count) for count in range(1, 7))]


async def test_a_network_full_of_addresses_fills_no_more_than_its_share(redis_url: str) -> None:
    """2000 networks of a /32 of IPv6, of which 40 have room, 10 of its /48s, and then the /32 itself."""
    async with scores_at(flushed(redis_url), room=40) as scores:
        for site in range(200):
            names = [f"2001:db8:{site:x}:{net:x}::/64" for net in range(10)]
            wider = (f"2001:db8:{site:x}::/48", "2001:db8::/32", "2001::/16")
            await scores.score(tuple(sighting(None, name, *wider) for name in names), NOW)
        with client(redis_url) as asking:
            kept: list[bytes] = asking.ask("KEYS", "guard:{0}s:*")  # type: ignore[assignment]
    assert len(kept) == 40 + 10 + 1


async def test_everything_is_forgotten_in_time(redis_url: str) -> None:
    asked = signal(at_least=3, over_ms=1_000, distinct=Distinct.KEY)
    async with unclocked(flushed(redis_url)) as scores:
        await scores.score((sighting(asked, policy=abuse(half_life_ms=1_000), value="a"),), NOW)
    with client(redis_url) as asking:
        keys: list[bytes] = asking.ask("KEYS", "guard:{0}*")  # type: ignore[assignment]
        left = {key[9:10]: int(asking.ask("PTTL", key)) for key in keys}  # type: ignore[arg-type]
    assert left.pop(b"e") == -1  # when the server's memory begins
    assert set(left) == {b"s", b"w", b"d"}
    assert 0 < left[b"d"] <= 1_001
    assert 13_000 < left[b"s"] <= 14_000
    assert 13_000 < left[b"w"] <= 14_001


async def test_different_values_are_never_kept_beyond_what_is_asked_for(redis_url: str) -> None:
    asked = signal(at_least=5, over_ms=1_000_000, distinct=Distinct.KEY)
    async with scores_at(flushed(redis_url)) as scores:
        most = 0
        for number in range(23):
            await points(scores, sighting(asked, value=f"{number}" * 100))
            with client(redis_url) as asking:
                most = max([most, *(int(asking.ask("ZCARD", key)) for key in asking.ask("KEYS", "guard:{0}d:*"))])  # type: ignore[union-attr, arg-type]
    assert most == 4


@pytest.mark.parametrize("rubbish", ["", "rubbish", "\x93\x01", "7"])
async def test_a_value_that_cannot_be_read_is_one_of_which_nothing_is_known(redis_url: str, rubbish: str) -> None:
    async with scores_at(flushed(redis_url)) as scores:
        with client(redis_url) as asking:
            asking.ask("SET", "guard:{0}s:2:ip9:192.0.2.1", rubbish)
        assert [await points(scores, sighting()) for _ in range(2)] == [20, 40]
        assert await scores.forget(SubjectKind.IP, "192.0.2.1", NOW)


async def test_what_no_server_answers_is_counted_by_the_process_and_forgotten_there_too() -> None:
    with RedisServer() as server:
        async with scores_at(server.url) as scores:
            assert await points(scores, sighting()) == 20
            server.kill()
            assert [await points(scores, sighting()) for _ in range(3)] == [20, 40, 60]
            assert not await scores.forget(SubjectKind.IP, "192.0.2.1", NOW)
            assert await points(scores, sighting()) == 20
            assert scores.lost == 4


async def test_an_event_whose_reply_is_lost_is_counted_once() -> None:
    """The server counts, and its answer comes too late. What was counted here meanwhile stays a score of its own."""
    seen, elsewhere = sighting(policy=abuse()), sighting(None, "198.51.100.1", "198.0.0.0/8")
    lost: list[int] = []
    with RedisServer() as server:
        async with unclocked(server.url, lost) as scores:
            assert await points(scores, seen) == 20
            server.pause()
            assert await points(scores, seen) == 20
            server.resume()
            async with asyncio.timeout(10):
                known = 0
                while known < len(lost):
                    known = len(lost)
                    await points(scores, elsewhere)
                    await asyncio.sleep(0.01)
            assert await points(scores, seen) == 60
            assert len(lost) == known


async def test_many_sightings_travel_a_few_at_a_time(redis_url: str) -> None:
    async with scores_at(flushed(redis_url)) as scores:
        await points(scores, sighting())
        with client(redis_url) as asking:
            asking.ask("CONFIG", "RESETSTAT")
            await scores.score(tuple(_from(number % 200) for number in range(5 * AT_ONCE)), NOW)
            told = asking.info("commandstats")["cmdstat_evalsha"]
        assert told.startswith("calls=5,"), told


async def test_a_server_that_forgot_the_scripts_is_told_them_and_counts_once(redis_url: str) -> None:
    async with scores_at(flushed(redis_url)) as scores:
        with client(redis_url) as asking:
            asking.ask("SCRIPT", "FLUSH")
        assert [await points(scores, sighting()) for _ in range(2)] == [20, 40]
        assert scores.lost == 0


async def test_a_master_of_a_cluster_that_is_gone_takes_only_its_own_subjects_with_it() -> None:
    with redis_cluster() as cluster:
        async with AsyncExitStack() as stack:
            scores = await stack.enter_async_context(scores_at(cluster.url))
            many = tuple(sighting(None, f"{first}.0.0.1", f"{first}.0.0.0/8") for first in range(1, 200))
            assert [raised.points for raised in await scores.score(many, NOW)] == [20] * 199
            cluster.nodes[0].server.kill()
            await scores.score(many, NOW)
            scores.lost = 0
            found = await scores.score(many, NOW)
            assert 20 < scores.lost < 120
            assert sorted({raised.points for raised in found}) == [40, 60]
            assert [raised.name for raised in found] == [seen.names[0] for seen in many]
