"""Where Redis is, read from a URL."""

import pytest

from guard.state.redis.address import Kind, RedisAddress, redis_address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "redis://127.0.0.1:7000",
            RedisAddress(kind=Kind.ONE, hosts=(("127.0.0.1", 7000),), url="redis://127.0.0.1:7000/0"),
        ),
        (
            "rediss://user:p%40ss@state.example/3?ssl_ca_certs=/ca.pem",
            RedisAddress(
                kind=Kind.ONE,
                hosts=(("state.example", 6379),),
                url="rediss://user:p%40ss@state.example:6379/3?ssl_ca_certs=%2Fca.pem",
            ),
        ),
        (
            "redis+sentinel://:pw@[::1]:26380,b/guard/2?sentinel_password=s",
            RedisAddress(
                kind=Kind.SENTINEL,
                hosts=(("::1", 26380), ("b", 26379)),
                url="redis://:pw@[::1]:26380/2",
                service="guard",
                sentinel={"password": "s"},
                replicas=1,
            ),
        ),
        (
            "rediss+cluster://a:7000,b:7001?replicas=2",
            RedisAddress(kind=Kind.CLUSTER, hosts=(("a", 7000), ("b", 7001)), url="rediss://a:7000/0", replicas=2),
        ),
    ],
)
def test_a_url_names_servers_sentinels_or_a_cluster(url: str, expected: RedisAddress) -> None:
    assert redis_address(url) == expected


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://secret@a", "is none of redis://"),
        ("redis://:secret@a,b", "redis\\+sentinel:// or redis\\+cluster://"),
        ("redis+sentinel://:secret@a:1", "what the Sentinels call"),
        ("redis://:secret@a/x", "the number of a database"),
        ("redis://:secret@a/0/1", "the number of a database"),
        ("redis+cluster://:secret@a/1", "none on a Cluster"),
        ("redis://:secret@a:99999", "a port is at most"),
        ("redis://:secret@", "a server is host"),
        ("redis+cluster://:secret@a,", "a server is host"),
        ("redis://:secret@a?replicas=some", "replicas is a number"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused_without_repeating_its_password(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        redis_address(url)
    assert "secret" not in str(refused.value)
