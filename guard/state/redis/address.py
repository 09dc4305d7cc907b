"""Where Redis is, as GUARD_STATE_URL says it: one server, the servers that Sentinels know, or a Cluster.

    redis://[user:password@]host:port[/db]                      rediss://… with TLS
    redis+sentinel://[user:password@]host:port,host:port/service[/db]
    redis+cluster://[user:password@]host:port,host:port         rediss+… with TLS

What follows `?` is redis-py's (`ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`, …), for Sentinel also
`sentinel_username` and `sentinel_password`, and `replicas=N`: a server with fewer is not asked, and what it grants must
be confirmed by one. That is 1 for Sentinel; elsewhere nothing is demanded, and one confirms where one is. Text only:
nothing is looked up or connected to.
"""

import re
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import msgspec

SCHEMES: Final = (
    "redis",
    "rediss",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)
_HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\[\]:@/?#,\s]+)(?::(?P<port>[0-9]{1,5}))?")
_PORT = {"one": 6379, "sentinel": 26379, "cluster": 6379}
_PORT_MAX = 65535


class Kind(StrEnum):
    """Who says which server to ask."""

    ONE = "one"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


class RedisAddress(msgspec.Struct, frozen=True, kw_only=True):
    """`url` is that of a server as redis-py reads it, its host and port being those of the first of `hosts`.

    `service` is what Sentinels call the servers. `sentinel` is what is said to Sentinels themselves. `replicas` is how
    many a server must have.
    """

    kind: Kind
    hosts: tuple[tuple[str, int], ...]
    url: str
    service: str = ""
    sentinel: dict[str, str] = {}
    replicas: int = 0


def redis_address(url: str) -> RedisAddress:
    """The address. Raises ValueError, whose text never repeats a password."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"{parts.scheme}:// is none of {', '.join(f'{scheme}://' for scheme in SCHEMES)}")
    scheme, _, suffix = parts.scheme.partition("+")
    kind = Kind(suffix or "one")
    login, at, named = parts.netloc.rpartition("@")
    hosts = tuple(_host(each, kind) for each in named.split(","))
    if kind is Kind.ONE and len(hosts) > 1:
        raise ValueError("several servers are redis+sentinel:// or redis+cluster://")
    path = [unquote(each) for each in parts.path.split("/") if each]
    service = ""
    if kind is Kind.SENTINEL:
        if not path:
            raise ValueError("say what the Sentinels call the servers: redis+sentinel://host:port/service")
        service, *path = path
    if len(path) > 1 or not all(each.isdecimal() for each in path) or (path and kind is Kind.CLUSTER):
        raise ValueError("after the host comes at most the number of a database, and none on a Cluster")
    query = parse_qsl(parts.query)
    sentinel = {name.removeprefix("sentinel_"): value for name, value in query if name.startswith("sentinel_")}
    theirs = [(name, value) for name, value in query if name != "replicas" and not name.startswith("sentinel_")]
    rest = urlencode(theirs)
    replicas = dict(query).get("replicas", "1" if kind is Kind.SENTINEL else "0")
    if not replicas.isdecimal():
        raise ValueError("replicas is a number")
    host, port = hosts[0]
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    plain = f"{scheme}://{login}{at}{place}/{path[0] if path else 0}"
    return RedisAddress(
        kind=kind,
        hosts=hosts,
        url=f"{plain}?{rest}" if rest else plain,
        service=service,
        sentinel=sentinel,
        replicas=int(replicas),
    )


def _host(text: str, kind: Kind) -> tuple[str, int]:
    read = _HOST.fullmatch(text)
    if read is None:
        raise ValueError("a server is host or host:port, an IPv6 address in brackets")
    port = int(read["port"] or _PORT[kind])
    if not 0 < port <= _PORT_MAX:
        raise ValueError(f"a port is at most {_PORT_MAX}")
    return unquote(read["host"].strip("[]")), port
