"""The PROXY protocol, version 2 (haproxy.org, proxy-protocol.txt section 2.2): who a trusted proxy's client is.

Read in two steps, so that not a byte behind the header is taken: 16 bytes say how many follow. TCP over IPv4 and IPv6
only; version 1, which is text, and everything else is a fault. Type-length-values are walked, and nothing of them used.
"""

from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import TypeAlias

import msgspec

from guard.model.names import Address
from guard.wire.client_address import canonical

PREFIX_BYTES = 16
HEADER_BYTES_MAX = 536
"""What any sender must get through in one segment, and what every receiver must take."""

_MAGIC = b"\r\n\r\n\0\r\nQUIT\n"
_PREFIX = Struct(">12sBBH")
_PORTS = Struct(">HH")
_TLV = Struct(">BH")
_LOCAL, _PROXY = 0x20, 0x21
_HOST_BYTES = {0x11: 4, 0x21: 16}
"""TCP over IPv4, and over IPv6."""


class Local(msgspec.Struct, frozen=True):
    """The proxy speaks for itself, for instance to see whether we are alive."""


class Proxied(msgspec.Struct, frozen=True):
    """Whom the proxy speaks for, and where that client connected to."""

    client: tuple[Address, int]
    server: tuple[Address, int]


class Fault(msgspec.Struct, frozen=True):
    """No header that we take."""

    detail: str


Source: TypeAlias = Local | Proxied


def bytes_behind(prefix: bytes) -> int | Fault:
    """How many bytes of the header follow its first 16."""
    magic, _, _, count = _PREFIX.unpack(prefix)
    if magic != _MAGIC:
        return Fault("no PROXY protocol header of version 2")
    if PREFIX_BYTES + count > HEADER_BYTES_MAX:
        return Fault(f"a PROXY header of more than {HEADER_BYTES_MAX} bytes")
    length: int = count
    return length


def source(prefix: bytes, rest: bytes) -> Source | Fault:
    """What a whole header says. `rest` is what `bytes_behind` announced."""
    _, command, family, _ = _PREFIX.unpack(prefix)
    if command == _LOCAL:
        return Local()
    if command != _PROXY:
        return Fault("another version or command than PROXY or LOCAL of version 2")
    size = _HOST_BYTES.get(family)
    if size is None:
        return Fault("another family than TCP over IPv4 or IPv6")
    told = 2 * size + _PORTS.size
    if len(rest) < told:
        return Fault("addresses cut short")
    if not _values_are_whole(rest[told:]):
        return Fault("a type-length-value longer than the header")
    client_port, server_port = _PORTS.unpack(rest[2 * size : told])
    return Proxied((_host(rest[:size]), client_port), (_host(rest[size : 2 * size]), server_port))


def _values_are_whole(rest: bytes) -> bool:
    at = 0
    while len(rest) - at >= _TLV.size:
        _, length = _TLV.unpack_from(rest, at)
        at += _TLV.size + length
    return at == len(rest)


def _host(packed: bytes) -> Address:
    text = str(IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed))  # noqa: PLR2004
    return canonical(text) or Address(text)
