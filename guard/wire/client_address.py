"""Who is the client? IP addresses in one canonical text, and the walk back through proxies that the policy trusts.

What an untrusted peer says about addresses has no effect at all (BYPASSES.md A21). `Forwarded` is read after RFC 7239,
any other field as a list of addresses, as X-Forwarded-For is.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from guard.model.facts import Field
from guard.model.names import Address
from guard.model.policy import ClientAddressPolicy

_TEXT_MAX = 45  # the longest text of an IPv6 address; longer ones are no address and must not fill the cache
_HOPS_MAX = 64
_V4_BITS = 32
_V4_WIDENING = (32, 24, 16, 8)
_V6_WIDENING = (48, 32, 16)
_V4_MAPPED_BITS = 96  # a network of IPv4-mapped addresses has at least these

_HOP = re.compile(r"(?:\[([0-9A-Fa-f:.]++)\]|([0-9.]++))(?::[0-9]{1,5})?|([0-9A-Fa-f:.]++)")
_ELEMENT = re.compile(r'(?:\A|,)((?:[^",]++|"(?:[^"\\]++|\\.)*+")*+)')
_PAIR = re.compile(r"([!#-'*+\-.^_`a-z|~0-9A-Z]++)=(?:([!#-'*+\-.^_`a-z|~0-9A-Z]++)|\"((?:[^\"\\]++|\\.)*+)\")")


def canonical(text: str) -> Address | None:
    """The address in canonical text, or None if it is none. IPv4-mapped IPv6 is IPv4; a zone id is refused (A22)."""
    return _canonical(text) if len(text) <= _TEXT_MAX else None


def client_address(peer: Address, fields: Iterable[Field], policy: ClientAddressPolicy) -> Address:
    """The client's address: the right-most one that no trusted proxy has; the peer itself if it is not trusted.

    A hop that is no address ends the walk: the client is then the trusted proxy that wrote it down, so that chosen text
    can never choose whom a limit counts. The same holds for a field that cannot be parsed, and beyond 64 hops.
    """
    if not policy.trust or not in_networks(peer, policy.trust):
        return peer
    value = b",".join(value for name, value in fields if name == policy.field).decode("latin-1")
    client = peer
    for hop in _hops_of_forwarded(value) if policy.field == b"forwarded" else _hops_of_list(value):
        address = _address_of_hop(hop)
        if address is None:
            return client
        client = address
        if not in_networks(client, policy.trust):
            return client
    return client


@lru_cache(maxsize=8192)
def subject(address: Address, v6_prefix: int) -> str:
    """Whom a limit by address counts: the IPv4 address itself, or the IPv6 network of `v6_prefix` bits around it."""
    if ":" not in address:
        return address
    return str(IPv6Network((int(IPv6Address(address)), v6_prefix), strict=False))


@lru_cache(maxsize=8192)
def network_of(address: Address, prefix: int) -> str:
    """The network of `prefix` bits around an address, as `subject` writes it: an IPv4 address alone is itself."""
    if ":" in address:
        return subject(address, prefix)
    return address if prefix == _V4_BITS else str(ip_network(f"{address}/{prefix}", strict=False))


def widening(address: Address, v6_prefix: int) -> tuple[str, ...]:
    """The narrowest name that is counted for an address, and wider networks around it: 16 bits of IPv6, 8 of IPv4."""
    if ":" not in address:
        return tuple([network_of(address, prefix) for prefix in _V4_WIDENING])
    return tuple([network_of(address, p) for p in (v6_prefix, *(p for p in _V6_WIDENING if p < v6_prefix))])


@lru_cache(maxsize=8192)
def place_of(address: Address, v6_prefix: int) -> int:
    """Where the `subject` of an address stands in the order of all: see `span`."""
    return span(subject(address, v6_prefix))[0]


def span(name: str) -> tuple[int, int]:
    """The first and the last of an address or network, in one order of all addresses: IPv6 stands behind IPv4."""
    network = ip_network(name)
    behind = 0 if isinstance(network, IPv4Network) else 1 << _V4_BITS
    return int(network.network_address) + behind, int(network.broadcast_address) + behind


def in_networks(address: Address, networks: tuple[str, ...]) -> bool:
    """Whether one of the networks (CIDR, or a single address) contains the canonical address.

    Raises ValueError for a network that is none: loaders and the key desk must have refused it.
    """
    bits, number = _number(address)
    return any((number >> shift) in prefixes for shift, prefixes in _prefixes(networks).get(bits, ()))


def network_in(text: str) -> IPv4Network | IPv6Network:
    """The network (CIDR, or a single address); one of IPv4-mapped addresses is of IPv4. ValueError if it is none."""
    network = ip_network(text, strict=False)
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return network if mapped is None else IPv4Network((int(mapped), network.prefixlen - _V4_MAPPED_BITS))


@lru_cache(maxsize=8192)
def _canonical(text: str) -> Address | None:
    if "%" in text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return Address(str(mapped or address))


@lru_cache(maxsize=8192)
def _number(address: Address) -> tuple[int, int]:
    parsed = ip_address(address)
    return parsed.max_prefixlen, int(parsed)


@lru_cache(maxsize=1024)
def _prefixes(networks: tuple[str, ...]) -> dict[int, tuple[tuple[int, frozenset[int]], ...]]:
    """For addresses of 32 and of 128 bits: by how many bits to shift right, and what must then come out."""
    found: dict[int, dict[int, set[int]]] = {32: {}, 128: {}}
    for text in networks:
        network = network_in(text)
        shift = network.max_prefixlen - network.prefixlen
        found[network.max_prefixlen].setdefault(shift, set()).add(int(network.network_address) >> shift)
    return {
        bits: tuple((shift, frozenset(numbers)) for shift, numbers in groups.items()) for bits, groups in found.items()
    }


def _hops_of_list(value: str) -> list[str]:
    """The last hops of a comma-separated list, nearest first."""
    return [hop.strip(" \t") for hop in reversed(value.rsplit(",", _HOPS_MAX)[-_HOPS_MAX:])]


def _hops_of_forwarded(value: str) -> list[str]:
    """The `for` of the last elements of a Forwarded field, nearest first; "" where it has none that can be read."""
    elements: list[str] = _ELEMENT.findall(value)
    if len(",".join(elements)) != len(value):
        return []  # an open quote: no telling where any element ends
    return [_for_of_element(element) for element in reversed(elements[-_HOPS_MAX:])]


def _for_of_element(element: str) -> str:
    found: dict[str, str] = {}
    position, element = 0, element.strip(" \t")
    while position < len(element):
        match = _PAIR.match(element, position)
        if match is None:
            return ""
        name, token, quoted = match.groups()
        if name.lower() in found or element[match.end() : match.end() + 1] not in ("", ";"):
            return ""
        found[name.lower()] = token if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        position = match.end() + 1
    return found.get("for", "")


def _address_of_hop(hop: str) -> Address | None:
    match = _HOP.fullmatch(hop)
    if match is None:
        return None
    bracketed, v4, bare = match.groups()
    if bracketed is not None and ":" not in bracketed:
        return None
    return canonical(bracketed or v4 or bare)
