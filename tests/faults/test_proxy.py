"""Each fault does what it says, no more, and ends when it is healed: tried on a real Redis and a real PostgreSQL."""

import time
from collections.abc import Iterator

import pytest

from tests.faults.link import Fate, Towards
from tests.faults.proxy import FaultProxy, fault_proxy
from tests.faults.wires import Kind, Postgres, Resp
from tests.servers.postgres import PostgresServer, sql_at
from tests.servers.redis import RedisServer, in_step
from tests.servers.resp import RedisClient

pytestmark = pytest.mark.system

_SILENT_S = 0.2
_TO_SERVER = frozenset({Towards.SERVER})
_TO_CLIENT = frozenset({Towards.CLIENT})


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def proxy(redis: RedisServer) -> Iterator[FaultProxy]:
    redis.ask("FLUSHALL")
    with fault_proxy(redis.port, Resp, seed=1) as running:
        yield running


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[RedisClient]:
    with RedisClient(proxy.port, timeout_s=_SILENT_S) as connected:
        yield connected


def test_without_faults_everything_passes_and_is_counted(proxy: FaultProxy, client: RedisClient) -> None:
    client.send("SET", "a", "b" * 1_000_000)
    client.send("GET", "a")
    assert (client.reply(), client.reply()) == (b"OK", b"b" * 1_000_000)
    assert proxy.asked == {"SET": 1, "GET": 1}
    assert proxy.unheard == {}


def test_an_answer_is_lost_after_its_command_has_run(
    proxy: FaultProxy, client: RedisClient, redis: RedisServer
) -> None:
    proxy.lose("INCR", skip=1, times=1)
    assert client.ask("INCR", "a") == 1
    assert client.ask("PING") == b"PONG"
    with pytest.raises(ConnectionResetError):
        client.ask("INCR", "a")
    assert redis.ask("GET", "a") == b"2"
    assert proxy.unheard == {"INCR": 1}
    with RedisClient(proxy.port) as another:
        assert another.ask("INCR", "a") == 3


def test_of_a_pipeline_what_was_answered_before_the_lost_answer_is_heard(
    proxy: FaultProxy, client: RedisClient, redis: RedisServer
) -> None:
    proxy.lose("INCR", skip=1, fate=Fate.HANGS)
    for _ in range(3):
        client.send("INCR", "a")
    assert client.reply() == 1
    with pytest.raises(TimeoutError):
        client.reply()
    assert redis.ask("GET", "a") == b"3"


def test_an_answer_that_hangs_comes_late_and_in_its_place_when_it_is_healed(
    proxy: FaultProxy, client: RedisClient
) -> None:
    proxy.lose("INCR", fate=Fate.HANGS, times=1)
    client.send("INCR", "a")
    with pytest.raises(TimeoutError):
        client.reply()
    client.send("GET", "a")
    proxy.heal()
    assert (client.reply(), client.reply()) == (1, b"1")


def test_a_share_of_the_answers_is_lost_and_the_same_seed_loses_the_same(redis: RedisServer) -> None:
    def lost(seed: int) -> list[int]:
        found = []
        with fault_proxy(redis.port, Resp, seed) as proxy:
            proxy.lose("PING", share=0.2)
            for number in range(50):
                with RedisClient(proxy.port) as client:
                    try:
                        client.ask("PING")
                    except ConnectionResetError:
                        found.append(number)
        return found

    first = lost(1)
    assert 0 < len(first) < 50
    assert lost(1) == first
    assert lost(2) != first


def test_a_delay_counts_for_both_directions_and_piles_up_for_nobody(proxy: FaultProxy, client: RedisClient) -> None:
    proxy.delay(50)
    begun = time.monotonic()
    for _ in range(20):
        client.send("PING")
    assert [client.reply() for _ in range(20)] == [b"PONG"] * 20
    assert 0.1 <= time.monotonic() - begun < 1.0


def test_a_pause_holds_requests_back_until_it_is_healed(
    proxy: FaultProxy, client: RedisClient, redis: RedisServer
) -> None:
    proxy.pause(_TO_SERVER)
    client.send("INCR", "a")
    with pytest.raises(TimeoutError):
        client.reply()
    assert redis.ask("GET", "a") is None
    proxy.heal()
    assert client.reply() == 1


def test_a_pause_of_answers_lets_commands_run(proxy: FaultProxy, client: RedisClient, redis: RedisServer) -> None:
    proxy.pause(_TO_CLIENT)
    client.send("INCR", "a")
    with pytest.raises(TimeoutError):
        client.reply()
    assert redis.ask("GET", "a") == b"1"


def test_who_connects_during_a_pause_is_accepted_and_hears_nothing(proxy: FaultProxy) -> None:
    proxy.pause()
    with RedisClient(proxy.port, timeout_s=_SILENT_S) as client, pytest.raises(TimeoutError):
        client.ask("PING")


def test_subscribers_alone_can_be_black_holed(proxy: FaultProxy, client: RedisClient) -> None:
    with RedisClient(proxy.port, timeout_s=_SILENT_S) as listening:
        listening.ask("SUBSCRIBE", "news")
        client.ask("PUBLISH", "news", "heard")
        assert listening.reply() == [b"message", b"news", b"heard"]
        proxy.pause(kinds=frozenset({Kind.HEARS}))
        assert client.ask("PUBLISH", "news", "unheard") == 1
        with pytest.raises(TimeoutError):
            listening.reply()


@pytest.mark.parametrize("resets", [True, False])
def test_every_connection_can_be_cut_by_rst_or_by_fin(proxy: FaultProxy, client: RedisClient, *, resets: bool) -> None:
    client.ask("PING")
    assert proxy.cut(resets=resets) == 1
    with pytest.raises(ConnectionResetError, match="reset by peer" if resets else "Redis closed"):
        client.reply()


def test_a_connection_can_be_cut_in_the_middle_of_a_reply(proxy: FaultProxy, client: RedisClient) -> None:
    proxy.cut_after(3, Towards.CLIENT)
    with pytest.raises(ConnectionResetError):
        client.ask("PING")
    assert bytes(client._held) in (b"", b"+PO")


def test_a_connection_can_be_cut_in_the_middle_of_a_command(
    proxy: FaultProxy, client: RedisClient, redis: RedisServer
) -> None:
    proxy.cut_after(20, Towards.SERVER)
    with pytest.raises(ConnectionResetError):
        client.ask("SET", "a", "long enough to be cut")
    assert redis.ask("GET", "a") is None


def test_who_connects_is_refused_until_it_is_healed(proxy: FaultProxy, client: RedisClient) -> None:
    client.ask("PING")
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        RedisClient(proxy.port)
    assert client.ask("PING") == b"PONG"
    proxy.heal()
    with RedisClient(proxy.port) as another:
        assert another.ask("PING") == b"PONG"


def test_a_replica_can_be_held_back_while_clients_are_not(proxy: FaultProxy, redis: RedisServer) -> None:
    common = {"repl-diskless-sync-delay": "0", "replicaof": f"127.0.0.1 {proxy.port}"}
    with RedisServer(common) as replica, RedisClient(proxy.port) as client:
        redis.ask("CONFIG", "SET", "repl-diskless-sync-delay", 0)
        replica.until(lambda: in_step(replica))
        client.ask("SET", "a", 1)
        assert client.ask("WAIT", 1, 2000) == 1
        proxy.pause(kinds=frozenset({Kind.COPIES}))
        client.ask("SET", "a", 2)
        assert client.ask("WAIT", 1, 100) == 0
        assert replica.ask("GET", "a") == b"1"


def test_a_server_that_is_gone_ends_the_connection(redis: RedisServer) -> None:
    with RedisServer() as own, fault_proxy(own.port, Resp) as proxy:
        with RedisClient(proxy.port) as client:
            own.kill()
            with pytest.raises(ConnectionResetError):
                client.ask("PING")
        with pytest.raises(ConnectionResetError), RedisClient(proxy.port) as client:
            client.ask("PING")
    assert redis.ask("PING") == b"PONG"


def test_a_commit_is_lost_after_it_has_run() -> None:
    with PostgresServer() as postgres, fault_proxy(postgres.port, Postgres) as proxy:
        through = postgres.url.replace(str(postgres.port), str(proxy.port))
        insert = ("begin", "create table kept as select 7 as value", "commit")
        proxy.lose("COMMIT", times=1)
        with pytest.raises(AssertionError, match="connection"):
            sql_at(through, *insert)
        assert postgres.sql("select value from kept") == "7"
        assert proxy.unheard == {"COMMIT": 1}
        assert sql_at(through, "select value from kept") == "7"
