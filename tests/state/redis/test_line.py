"""One connection to a real server: who answers, and whether it may be used."""

import asyncio

import pytest
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from guard.state.redis.address import redis_address
from guard.state.redis.command import command
from guard.state.redis.line import FAULTS, Line, Unfit, open_line
from guard.state.redis.origin import OneServer
from guard.state.redis.scripts import ALL
from tests.servers.redis import RedisServer, redis_pair

pytestmark = pytest.mark.system


async def opened(url: str, within_s: float = 5.0) -> Line:
    return await open_line(OneServer(redis_address(url), within_s), within_s)


async def test_a_server_tells_its_run_and_its_replicas_and_knows_every_script_then() -> None:
    with redis_pair() as pair:
        line = await opened(pair.primary.url)
        assert line.server.run == pair.primary.info("server")["run_id"]
        assert line.server.replicas == 1
        assert pair.primary.ask("SCRIPT", "EXISTS", *(script.sha for script in ALL)) == [1] * len(ALL)
        await line.close()


async def test_answers_come_in_the_order_of_the_commands_and_an_error_is_one() -> None:
    with RedisServer() as server:
        line, answers = await opened(server.url), list[object]()
        reading = asyncio.create_task(line.answers(answers.append))
        await line.send(command("SET", "a", 1) + command("LPUSH", "a", 1) + command("GET", "a"))
        while len(answers) < 3:  # noqa: ASYNC110  # until they have come
            await asyncio.sleep(0)
        assert (answers[0], answers[2]) == (b"OK", b"1")
        assert isinstance(answers[1], ResponseError)
        server.kill()
        with pytest.raises(RedisError):
            await reading
        await line.close()


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_server_that_evicts_is_refused_with_the_remedy(policy: str) -> None:
    remedy = "set maxmemory-policy noeviction"
    with RedisServer({"maxmemory-policy": policy}) as server, pytest.raises(Unfit, match=remedy):
        await opened(server.url)


async def test_a_replica_is_no_server_to_ask() -> None:
    with redis_pair() as pair, pytest.raises(ConnectionError, match="replica"):
        await opened(pair.replica.url)


async def test_a_server_without_the_replicas_that_are_demanded_is_not_asked() -> None:
    with RedisServer() as server, pytest.raises(ConnectionError, match="0 of the 1 replicas"):
        await opened(f"{server.url}?replicas=1")


async def test_a_paused_server_is_given_up_in_time() -> None:
    with RedisServer() as server:
        server.pause()
        with pytest.raises(FAULTS):
            await opened(server.url, 0.1)


async def test_a_user_of_an_acl_is_enough() -> None:
    rules = "on >secret ~guard:* +@read +@write +@scripting +@connection +info +time +wait"
    with RedisServer({"user guard": rules}) as server:
        line = await opened(f"redis://guard:secret@127.0.0.1:{server.port}")
        await line.close()
        with pytest.raises(AuthenticationError):
            await opened(f"redis://guard:wrong@127.0.0.1:{server.port}")


async def test_a_user_who_may_not_load_scripts_is_told() -> None:
    with RedisServer({"user guard": "on >secret ~* +@all -script"}) as server, pytest.raises(NoPermissionError):
        await opened(f"redis://guard:secret@127.0.0.1:{server.port}")


async def test_tls_is_spoken_and_the_server_must_prove_itself() -> None:
    with RedisServer(tls=True) as server:
        assert server.authority is not None
        line = await opened(f"{server.url}?ssl_ca_certs={server.authority.file}")
        await line.close()
        with pytest.raises(FAULTS):
            await opened(server.url)
