"""Whom a load may be aimed at: this machine, and others only in the words of somebody who owns them."""

import ipaddress
import socket
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from loadtests.crowd.keys import Keys, LoadKey, Role
from loadtests.crowd.refusal import Refusal


def host_of(url: str, *, owned: bool) -> str:
    """The origin, without a slash. Raises Refusal for anything that is none, and for hosts that are not loopback unless
    they are `owned`.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        found = socket.getaddrinfo(parts.hostname or "", port, type=socket.SOCK_STREAM)
    except (KeyError, ValueError, OSError) as error:
        raise Refusal(f"--host {url}: {error}: give an origin such as http://127.0.0.1:8080") from None
    if parts.hostname is None or parts.username or parts.path.strip("/") or parts.query or parts.fragment:
        raise Refusal(f"--host {url}: give an origin such as http://127.0.0.1:8080, and nothing after it")
    if not owned and not all(ipaddress.ip_address(address[0]).is_loopback for *_, address in found):
        raise Refusal(
            f"--host {url}: this is not loopback: a load is an attack on somebody else's server; "
            "say --i-own-this-host if it is yours"
        )
    return f"{parts.scheme}://{parts.netloc}"


def keys_of_file(file: Path, roles: tuple[Role, ...], *, users: int, workers: int) -> Keys:
    """Keys that the host knows, for the roles in turn: as `guard keys create --json` prints them, one a line.

    Raises Refusal if they cannot be read, or are too few for every trader to have one.
    """
    try:
        keys = [msgspec.json.decode(line, type=LoadKey) for line in file.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise Refusal(f"--keys {file}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise Refusal(f"--keys {file}: {error}: one JSON object a line, with id, secret and account") from None
    wanted = sum(1 if role.shared else users * workers for role in roles)
    if len({key.id for key in keys}) < wanted:
        raise Refusal(f"--keys {file}: this run needs {wanted} different keys: create more, or give fewer --users")
    given, taken = iter(keys), dict[str, tuple[tuple[LoadKey, ...], ...]]()
    for role in roles:
        if role.shared:
            taken[role.name] = ((next(given),),) * workers
        else:
            taken[role.name] = tuple(tuple(next(given) for _ in range(users)) for _ in range(workers))
    return taken
