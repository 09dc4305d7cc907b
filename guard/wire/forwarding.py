"""What passes through guard, and what guard adds: the fields towards the backend, and those of its answer.

Framing (Content-Length, Transfer-Encoding) of a forwarded request is the connection pool's, not the client's.
"""

from collections.abc import Iterable
from functools import lru_cache

from guard.model.facts import Facts, Field
from guard.model.names import Address
from guard.wire.fields import TOKEN_BYTES
from guard.wire.hop_by_hop import HOP_BY_HOP, connection_members
from guard.wire.owned_fields import (
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
    appended to: `address` is already what trusted proxies said. `identity` comes last.
    """
    withheld = _withheld(secrets, drop)
    listed = connection_members(facts.fields) - _ALWAYS_PASSED
    passed = [
        (name, value)
        for name, value in facts.fields
        if (folded := fold(name)) not in withheld and not folded.startswith(_WITHHELD_PREFIXES) and name not in listed
    ]
    proto = b"https" if facts.secure else b"http"
    passed += (
        _VIA,  # RFC 9110 section 7.6.3: a gateway's duty towards the backend
        (FORWARDED, _forwarded(address, proto, facts.authority)),
        (X_FORWARDED_FOR, address.encode("ascii")),
        (X_FORWARDED_PROTO, proto),
        (X_FORWARDED_HOST, facts.authority),
        *identity,
    )
    return passed


def answer_fields(fields: Iterable[Field], *, ours: tuple[Field, ...]) -> list[Field]:
    """The field section for the client: the backend's end-to-end fields, then ours. Names in lower case.

    A backend cannot speak for guard: owned names are removed in any spelling.
    """
    lowered = [(name.lower(), value) for name, value in fields]
    listed = connection_members(lowered)
    passed = [
        field for field in lowered if field[0] not in HOP_BY_HOP and field[0] not in listed and not is_owned(field[0])
    ]
    passed += ours
    return passed


@lru_cache(maxsize=256)
def _withheld(secrets: frozenset[bytes], drop: frozenset[bytes]) -> frozenset[bytes]:
    return _WITHHELD_NAMES.union(map(fold, secrets | drop))


def _forwarded(address: Address, proto: bytes, authority: bytes) -> bytes:
    """One element of RFC 7239, section 4. An address with colons stands in brackets, and so in quotes."""
    client = address.encode("ascii")
    node = b'"[' + client + b']"' if b":" in client else client
    return b"for=" + node + b";proto=" + proto + b";host=" + _token_or_quoted(authority)


def _token_or_quoted(value: bytes) -> bytes:
    if value and not value.translate(None, TOKEN_BYTES):
        return value
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
