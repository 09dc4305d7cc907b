"""What passes through guard, and what guard adds: the fields towards the backend, and those of its answer.

Framing (Content-Length, Transfer-Encoding) of a forwarded request is the connection pool's, not the client's.
"""

from collections.abc import Sequence
from functools import lru_cache

from guard.model.facts import Facts, Field, FieldNames
from guard.model.names import Address
from guard.wire.field_names import SEQUENCES_MAX
from guard.wire.fields import TOKEN_BYTES, in_lower_case
from guard.wire.hop_by_hop import HOP_BY_HOP, connection_members
from guard.wire.owned_fields import (
    CLIENT_CERT,
    DROPPED_NAMES,
    DROPPED_PREFIXES,
    FORWARDED,
    OWNED_NAMES,
    OWNED_PREFIXES,
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PROTO,
    fold,
    is_owned,
)
from guard.wire.structured_fields import byte_sequence

_WITHHELD_NAMES = OWNED_NAMES | DROPPED_NAMES | HOP_BY_HOP | {b"expect", b"content-length"}
_WITHHELD_PREFIXES = OWNED_PREFIXES + DROPPED_PREFIXES
_ALWAYS_PASSED = frozenset({b"host"})
_VIA = (b"via", b"1.1 guard")


def request_fields(
    facts: Facts,
    *,
    identity: tuple[Field, ...],
    secrets: frozenset[bytes],
    drop: frozenset[bytes],
    address: Address,
) -> list[Field]:
    """The field section for the backend: what the client sent and a backend may see, then what guard vouches for.

    No owned name, hop-by-hop field, member of `secrets` or `drop` (lower case), or field that a backend might believe
    against guard's word passes, in any spelling. Host is kept byte for byte. The forwarding fields are rewritten, not
    appended to: `address` is already what trusted proxies said. A client's certificate is passed on as RFC 9440 says.
    """
    fields = facts.fields
    passed = [fields[position] for position in _to_backend(facts.names, secrets, drop)]
    if b"connection" in facts.names.at:
        listed = connection_members(facts.values(b"connection")) - _ALWAYS_PASSED
        passed = [field for field in passed if field[0] not in listed]
    passed += _told(address, b"https" if facts.secure else b"http", facts.authority)
    passed += identity
    if facts.client_certificate is not None:
        passed.append((CLIENT_CERT, byte_sequence(facts.client_certificate)))
    return passed


def answer_fields(fields: Sequence[Field], *, ours: tuple[Field, ...]) -> list[Field]:
    """The field section for the client: the backend's end-to-end fields, then ours. Names in lower case.

    A backend cannot speak for guard: owned names are removed in any spelling.
    """
    lowered, names = in_lower_case(fields)
    passed = [lowered[position] for position in _to_client(names)]
    if b"connection" in names.at:
        listed = connection_members([lowered[position][1] for position in names.at[b"connection"]])
        passed = [field for field in passed if field[0] not in listed]
    passed += ours
    return passed


@lru_cache(maxsize=128)
def answer_lines(fields: tuple[Field, ...]) -> tuple[bytes, ...]:
    """The lines `name: value` of what a client may see of a backend's fields, without those that frame its body.

    Raises ValueError where a line end or a NUL stands in one.
    """
    lines = [b": ".join(field) for field in answer_fields(fields, ours=()) if field[0] != b"content-length"]
    if any(len(line.translate(None, b"\r\n\0")) < len(line) for line in lines):
        raise ValueError("a line end or a NUL in a field of the answer")
    return tuple(lines)


@lru_cache(maxsize=SEQUENCES_MAX)
def _to_backend(names: FieldNames, secrets: frozenset[bytes], drop: frozenset[bytes]) -> tuple[int, ...]:
    """The positions of what a backend may see, whatever Connection lists."""
    withheld = _withheld(secrets, drop)
    folded = map(fold, names.names)
    return tuple(
        position
        for position, name in enumerate(folded)
        if name not in withheld and not name.startswith(_WITHHELD_PREFIXES)
    )


@lru_cache(maxsize=SEQUENCES_MAX)
def _to_client(names: FieldNames) -> tuple[int, ...]:
    """The positions of what a client may see of an answer, whatever Connection lists."""
    return tuple(position for position, name in enumerate(names.names) if name not in HOP_BY_HOP and not is_owned(name))


@lru_cache(maxsize=256)
def _withheld(secrets: frozenset[bytes], drop: frozenset[bytes]) -> frozenset[bytes]:
    return _WITHHELD_NAMES.union(map(fold, secrets | drop))


@lru_cache(maxsize=8192)
def _told(address: Address, proto: bytes, authority: bytes) -> tuple[Field, ...]:
    """What a backend is told of the way that the request came."""
    return (
        _VIA,  # RFC 9110 section 7.6.3: a gateway's duty towards the backend
        (FORWARDED, _forwarded(address, proto, authority)),
        (X_FORWARDED_FOR, address.encode("ascii")),
        (X_FORWARDED_PROTO, proto),
        (X_FORWARDED_HOST, authority),
    )


def _forwarded(address: Address, proto: bytes, authority: bytes) -> bytes:
    """One element of RFC 7239, section 4. An address with colons stands in brackets, and so in quotes."""
    client = address.encode("ascii")
    node = b'"[' + client + b']"' if b":" in client else client
    return b"for=" + node + b";proto=" + proto + b";host=" + _token_or_quoted(authority)


def _token_or_quoted(value: bytes) -> bytes:
    if value and not value.translate(None, TOKEN_BYTES):
        return value
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
