"""Fields that belong to one connection and are never passed on (RFC 9110 section 7.6.1)."""

from collections.abc import Sequence
from typing import Final

HOP_BY_HOP: Final = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
        *(b"proxy-authenticate", b"proxy-authorization", b"proxy-authentication-info", b"http2-settings"),
    }
)

_NAMES_NO_FIELD = frozenset({b"close", b"keep-alive"})
_NOTHING: frozenset[bytes] = frozenset()


def connection_members(listed: Sequence[bytes]) -> frozenset[bytes]:
    """What the values of all Connection fields list, in lower case; `close` and `keep-alive` only beside others."""
    if not listed or (len(listed) == 1 and listed[0].lower() in _NAMES_NO_FIELD):
        return _NOTHING
    return frozenset(member.strip(b" \t").lower() for member in b",".join(listed).split(b",")) - {b""}
