"""Where a listener listens, as it is written: `HOST:PORT`, `[IPv6]:PORT` or `unix:/path`."""

from typing import TypeAlias

import msgspec

_UNIX = "unix:"


class Internet(msgspec.Struct, frozen=True):
    """A TCP port of one of this machine's addresses. Port 0 lets the system choose."""

    host: str
    port: int


class UnixPath(msgspec.Struct, frozen=True):
    """A socket in the file system."""

    path: str


Endpoint: TypeAlias = Internet | UnixPath


def endpoint(listen: str) -> Endpoint:
    """What `listen` names. Raises ValueError for what names nothing."""
    if listen.startswith(_UNIX):
        path = listen.removeprefix(_UNIX)
        if not path.startswith("/"):
            raise ValueError("a Unix socket is written unix:/path, with an absolute path")
        return UnixPath(path)
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal():
        raise ValueError("an address is written HOST:PORT, [IPv6]:PORT or unix:/path")
    return Internet(host.strip("[]"), int(port))
