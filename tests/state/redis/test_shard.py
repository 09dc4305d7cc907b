"""The batcher, its deadline and its breaker, before a real server that is made to fail."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.questions import Charge, Granted, Receipt, Replayed, Short, Unavailable
from guard.state.redis import shard as module
from guard.state.redis.address import redis_address
from guard.state.redis.command import command
from guard.state.redis.origin import OneServer
from guard.state.redis.shard import Shard
from tests.contract.limit_store import charge, debit, limit, once, remaining
from tests.servers.redis import RedisServer, redis_pair

pytestmark = pytest.mark.system

TAG = b"{0}"
LARGE = debit(1, limit(capacity=100_000, refill_tokens=100_000, period_ms=1))


@asynccontextmanager
async def shard_of(server: RedisServer, timeout_s: float = 5.0) -> AsyncIterator[Shard]:
    told: list[str | None] = []
    shard = Shard(OneServer(redis_address(server.url), 1.0), lambda: (TAG,), timeout_s=timeout_s, tell=told.append)
    try:
        await shard.opened()
        assert shard.born_at is not None, told
        await asyncio.sleep(0.002)  # buckets begin empty, and are full after a millisecond
        yield shard
    finally:
        await shard.close()


async def ask(shard: Shard, question: Charge) -> Receipt:
    answer = shard.ask(TAG, question)
    return await answer if isinstance(answer, asyncio.Future) else answer


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  # nobody says when
            await asyncio.sleep(0.005)


async def granted(shard: Shard, number: int) -> None:
    """Ask with this message and those after it until one is granted: a deadline that is meant to pass is short."""
    async with asyncio.timeout(10):
        while not isinstance(await ask(shard, message(shard, number)), Granted):
            number += 1
            await asyncio.sleep(0.005)


def message(shard: Shard, number: int) -> Charge:
    assert shard.born_at is not None
    signed = shard.born_at + 1_001
    return charge(f"c{number}", LARGE, message=once(b"%d" % number, signed_at=signed, forget_after=signed + 60_000))


async def test_charges_of_one_turn_are_one_call() -> None:
    with RedisServer() as server:
        async with shard_of(server) as shard:
            server.ask("CONFIG", "RESETSTAT")
            receipts = await asyncio.gather(*(ask(shard, message(shard, number)) for number in range(64)))
            assert {type(receipt) for receipt in receipts} == {Granted}
            assert server.info("commandstats")["cmdstat_evalsha"].startswith("calls=1,")


async def test_requests_that_are_cancelled_in_the_middle_hand_nobody_anothers_answer() -> None:
    """A37: 10,000 of them, each with a cost of its own, so that an answer that is another's would show."""
    with RedisServer() as server:
        async with shard_of(server) as shard:
            for turn in range(100):
                costs = [number % 97 + 1 for number in range(100)]
                buckets = [("exchange", "key", "key", f"{turn}-{number}") for number in range(100)]
                large = limit(capacity=1_000_000, refill_tokens=1_000_000, period_ms=1)
                tasks = [
                    asyncio.create_task(ask(shard, charge(f"{turn}-{number}", debit(cost, large, bucket))))
                    for number, (cost, bucket) in enumerate(zip(costs, buckets, strict=True))
                ]
                await asyncio.sleep(0)
                if turn % 2:
                    await asyncio.sleep(0)
                for task in tasks[::2]:
                    task.cancel()
                answers = await asyncio.gather(*tasks, return_exceptions=True)
                for number, answer in enumerate(answers):
                    if isinstance(answer, asyncio.CancelledError):
                        assert number % 2 == 0
                        continue
                    assert isinstance(answer, Granted)
                    assert [reading.cost for reading in answer.readings] == [costs[number]]
                    assert remaining(answer) == [1_000_000 - costs[number]]


async def test_what_was_cancelled_is_charged_at_most_once() -> None:
    with RedisServer() as server:
        async with shard_of(server) as shard:
            question = message(shard, 1)
            task = asyncio.create_task(ask(shard, question))
            await asyncio.sleep(0)
            task.cancel()
            again = await ask(shard, charge("other", LARGE, message=question.once))
            assert isinstance(again, Replayed)


async def test_a_paused_server_costs_one_deadline_and_then_nothing() -> None:
    with RedisServer() as server:
        async with shard_of(server, timeout_s=0.05) as shard:
            server.pause()
            began = time.monotonic()
            first = await ask(shard, message(shard, 1))
            assert isinstance(first, Unavailable)
            assert 0.05 <= time.monotonic() - began < 0.5
            assert all(isinstance(shard.ask(TAG, message(shard, number)), Unavailable) for number in range(1000))
            server.resume()
            await granted(shard, 5000)


async def test_a_server_that_stays_paused_is_connected_to_anew_and_answers_again() -> None:
    with RedisServer() as server:
        async with shard_of(server, timeout_s=0.02) as shard:
            server.pause()
            assert isinstance(await ask(shard, message(shard, 1)), Unavailable)
            await asyncio.sleep(0.7)
            server.resume()
            await granted(shard, 2)


async def test_a_killed_server_answers_nobody_and_one_that_is_back_begins_a_new_epoch() -> None:
    with RedisServer() as server:
        async with shard_of(server, timeout_s=0.5) as shard:
            before, born = message(shard, 1), shard.born_at
            assert isinstance(await ask(shard, before), Granted)
            server.kill()
            await until(lambda: isinstance(shard.ask(TAG, message(shard, 2)), Unavailable))
            server.restart(empty=True)
            await until(lambda: shard.born_at != born)
            assert not isinstance(await ask(shard, before), Granted)


async def test_a_server_that_forgot_the_scripts_is_told_them_and_nobody_notices() -> None:
    with RedisServer() as server:
        async with shard_of(server) as shard:
            server.ask("SCRIPT", "FLUSH")
            receipts = await asyncio.gather(*(ask(shard, message(shard, number)) for number in range(3)))
            assert [type(receipt) for receipt in receipts] == [Granted] * 3


async def test_a_server_that_was_emptied_refuses_what_was_signed_before() -> None:
    with RedisServer() as server:
        async with shard_of(server) as shard:
            born = shard.born_at
            assert born is not None
            server.ask("FLUSHALL")
            early = charge("a", LARGE, message=once(signed_at=born + 1, forget_after=born + 60_000))
            receipt = await ask(shard, early)
            assert type(receipt).__name__ == "BeforeEpoch"


async def test_a_server_without_memory_admits_nobody() -> None:
    with RedisServer() as server:
        async with shard_of(server) as shard:
            server.ask("CONFIG", "SET", "maxmemory", 1)
            assert isinstance(await ask(shard, message(shard, 1)), Unavailable)
            server.ask("CONFIG", "SET", "maxmemory", 0)
            assert isinstance(await ask(shard, message(shard, 1)), Granted)


async def test_a_master_that_becomes_a_replica_admits_nobody() -> None:
    with redis_pair() as pair:
        async with shard_of(pair.primary) as shard:
            pair.primary.ask("REPLICAOF", "127.0.0.1", pair.replica.port)
            assert isinstance(await ask(shard, message(shard, 1)), Unavailable)
            await until(lambda: shard.ask(TAG, message(shard, 2)) == Unavailable("redis: not connected"))


@pytest.mark.parametrize("kind", ["account", "claim"])
async def test_a_key_of_another_type_admits_nobody_and_keeps_nobody_else_out(kind: str) -> None:
    with RedisServer() as server:
        async with shard_of(server) as shard:
            spoilt = message(shard, 1)
            await ask(shard, spoilt)
            key = "guard:{0}a:acme" if kind == "account" else "guard:{0}n:2:k18:guard-v1:1"
            server.ask("DEL", key)
            server.ask("LPUSH", key, 1)
            assert isinstance(await ask(shard, spoilt), Unavailable)
            other = charge("o", LARGE, account="other")
            assert isinstance(await ask(shard, other), Granted)


@pytest.mark.parametrize("text", ["", "rubbish", "y" * 77])
@pytest.mark.parametrize("kind", ["a:acme", "n:2:k18:guard-v1:1"])
async def test_a_key_that_holds_rubbish_admits_nobody(kind: str, text: str) -> None:
    with RedisServer() as server:
        async with shard_of(server) as shard:
            server.ask("SET", f"guard:{{0}}{kind}", text)
            assert not isinstance(await ask(shard, message(shard, 1)), Granted)


async def test_a_charge_that_no_replica_confirms_admits_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(name: bytes, *words: Any) -> bytes:
        """The server gives up long before the deadline, which would refuse it anyway."""
        return command(name, *words) if name != b"WAIT" else command(name, words[0], 500)

    with redis_pair() as pair:
        async with shard_of(pair.primary) as shard:
            assert isinstance(await ask(shard, message(shard, 1)), Granted)
            monkeypatch.setattr(module, "command", hasty)
            pair.replica.pause()
            assert await ask(shard, message(shard, 2)) == Unavailable("redis: no replica has confirmed it")
            pair.replica.resume()


async def test_what_is_given_back_when_it_closes_has_been_sent() -> None:
    with RedisServer() as server:
        spent = charge("a", debit(10))
        async with shard_of(server) as shard:
            await asyncio.sleep(0.1)
            small = charge("s", debit(10, limit(capacity=10, refill_tokens=10, period_ms=1)))
            assert isinstance(await ask(shard, small), Granted)
            shard.give_back(TAG, spent, tokens=True)
        assert server.info("commandstats")["cmdstat_evalsha"].startswith("calls=3,")


async def test_a_tombstone_is_not_promised_by_a_server_that_does_not_answer() -> None:
    with RedisServer() as server:
        async with shard_of(server, timeout_s=0.5) as shard:
            until_ms = UnixMs(4_000_000_000_000)
            assert await shard.bury(TAG, AccountId("acme"), KeyId("k1"), until_ms)
            server.pause()
            assert not await shard.bury(TAG, AccountId("acme"), KeyId("k1"), until_ms)
            server.resume()


async def test_a_bucket_is_exact_under_many_at_once() -> None:
    with RedisServer() as server:
        async with shard_of(server) as shard:
            large = debit(1, limit(capacity=1000, refill_tokens=1000, period_ms=1))
            await asyncio.sleep(0.01)
            slow = debit(1, limit(capacity=1000, refill_tokens=1, period_ms=86_400_000), bucket=large.bucket)
            await ask(shard, charge("fill", debit(0, large.limit)))
            receipts = await asyncio.gather(*(ask(shard, charge(f"c{number}", slow)) for number in range(1500)))
            granted = sum(isinstance(receipt, Granted) for receipt in receipts)
            assert granted + sum(isinstance(receipt, Short) for receipt in receipts) == 1500
            assert granted <= 1000


async def test_the_servers_time_is_heard_also_while_nobody_asks_for_anything() -> None:
    heard: list[tuple[int, UnixMs]] = []

    def reads_clock() -> Callable[[UnixMs], object]:
        before = time.time_ns() // 1_000_000
        return lambda theirs: heard.append((before, theirs))

    with RedisServer() as server:
        origin = OneServer(redis_address(server.url), 1.0)
        shard = Shard(origin, lambda: (TAG,), timeout_s=5.0, reads_clock=reads_clock)
        try:
            await until(lambda: len(heard) > 1)
        finally:
            await shard.close()
    assert all(before <= theirs <= time.time_ns() // 1_000_000 for before, theirs in heard)
