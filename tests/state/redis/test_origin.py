"""Connections as the address says, and no retries."""

import pytest
from redis.asyncio.connection import Connection, SSLConnection

from guard.state.redis.address import redis_address
from guard.state.redis.origin import OneServer, SentinelMaster, connections, server_connection
from tests.servers.redis_sentinel import redis_sentinel


async def test_a_connection_is_to_the_server_that_was_named_as_who_was_named() -> None:
    origin = OneServer(redis_address("redis://guard:secret@127.0.0.2:7001/3"), 1.0)
    connection = await origin.connection()
    assert isinstance(connection, Connection)
    assert (connection.host, connection.port, int(connection.db)) == ("127.0.0.2", 7001, 3)
    assert (connection.username, connection.password) == ("guard", "secret")


async def test_nothing_is_asked_twice_by_the_library() -> None:
    connection = await OneServer(redis_address("redis://127.0.0.1"), 1.0).connection()
    assert connection.retry.get_retries() == 0
    assert connection.socket_timeout is None
    assert connection.socket_connect_timeout == 1.0


async def test_tls_is_spoken_where_the_address_says_so() -> None:
    pool = connections(redis_address("rediss://a:7000?ssl_ca_certs=/ca.pem"), 1.0)
    connection = server_connection(pool, "b", 7001)
    assert isinstance(connection, SSLConnection)
    assert (connection.host, connection.port, connection.ca_certs) == ("b", 7001, "/ca.pem")


@pytest.mark.system
async def test_the_master_is_the_one_that_sentinels_name() -> None:
    with redis_sentinel() as group:
        connection = await SentinelMaster(redis_address(group.url), 1.0).connection()
        assert isinstance(connection, Connection)
        assert connection.port == group.primary.port
