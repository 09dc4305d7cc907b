"""Fields that belong to one connection and are never passed on (RFC 9110 section 7.6.1)."""

from collections.abc import Iterable
from typing import Final

from guard.model.facts import Field

HOP_BY_HOP: Final = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
        *(b"proxy-authenticate", b"proxy-authorization", b"proxy-authentication-info", b"http2-settings"),
    }
)

_NAMES_NO_FIELD = frozenset({b"close", b"keep-alive"})
_NOTHING: frozenset[bytes] = frozenset()


def connection_members(fields: Iterable[Field]) -> frozenset[bytes]:
    """What the Connection fields list, in lower case; `close` and `keep-alive` too, but only beside something else."""
    listed = [value for name, value in fields if name == b"connection"]
    if not listed or (len(listed) == 1 and listed[0].lower() in _NAMES_NO_FIELD):
        return _NOTHING
    return frozenset(member.strip(b" \t").lower() for member in b",".join(listed).split(b",")) - {b""}
