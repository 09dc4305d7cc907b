"""The Redis servers of the tests do what their callers rest on."""

import pytest

from tests.servers.redis import RedisServer, redis_pair
from tests.servers.resp import RedisError

pytestmark = pytest.mark.system


def test_a_server_is_ready_when_its_block_begins_and_gone_when_it_ends() -> None:
    with RedisServer() as redis:
        assert redis.ask("PING") == b"PONG"
        folder = redis.folder
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        redis.ask("PING")


def test_a_paused_server_accepts_and_says_nothing_until_it_is_resumed() -> None:
    with RedisServer() as redis:
        redis.pause()
        with redis.client(timeout_s=0.2) as client:
            client.send("PING")
            with pytest.raises(TimeoutError):
                client.reply()
            redis.resume()
            assert client.reply() == b"PONG"


def test_a_paused_server_ends_with_its_block() -> None:
    with RedisServer() as redis:
        redis.pause()
    with pytest.raises(ConnectionRefusedError):
        redis.ask("PING")


def test_a_server_that_is_killed_keeps_what_it_had_written_unless_it_restarts_empty() -> None:
    with RedisServer({"appendonly": "yes", "appendfsync": "always"}) as redis:
        redis.ask("SET", "a", 1)
        redis.kill()
        redis.restart()
        assert redis.ask("GET", "a") == b"1"
        redis.restart(empty=True)
        assert redis.ask("GET", "a") is None


def test_a_server_of_one_user_answers_that_user_alone() -> None:
    user = {"user": "guard on >secret ~guard:* +@all"}
    with RedisServer({"user default": "off"} | user, credentials=("guard", "secret")) as redis:
        assert redis.url == f"redis://guard:secret@127.0.0.1:{redis.port}/0"
        with pytest.raises(RedisError, match="NOPERM"):
            redis.ask("GET", "another:key")
        redis.credentials = ()
        with pytest.raises(RedisError, match="NOAUTH"):
            redis.ask("GET", "guard:key")


def test_a_server_with_a_password_wants_it() -> None:
    with RedisServer({"requirepass": "secret"}, credentials=("secret",)) as redis:
        assert redis.url == f"redis://:secret@127.0.0.1:{redis.port}/0"
        assert redis.ask("PING") == b"PONG"


def test_a_server_behind_tls_is_trusted_through_its_own_authority() -> None:
    with RedisServer(tls=True) as redis:
        assert redis.url.startswith("rediss://")
        assert redis.ask("PING") == b"PONG"


def test_a_replica_has_what_was_written_and_can_be_promoted() -> None:
    with redis_pair() as pair, pair.primary.client() as client:
        client.ask("SET", "a", 1)
        assert client.ask("WAIT", 1, 1000) == 1
        assert pair.promote().ask("SET", "b", 2) == b"OK"
        assert pair.replica.ask("GET", "a") == b"1"


def test_a_primary_that_needs_a_replica_takes_no_write_without() -> None:
    with redis_pair(min_replicas=1) as pair:
        assert pair.primary.ask("SET", "a", 1) == b"OK"
        pair.replica.kill()
        pair.primary.until(lambda: pair.primary.info("replication")["connected_slaves"] == "0")
        with pytest.raises(RedisError, match="NOREPLICAS"):
            pair.primary.ask("SET", "a", 2)
