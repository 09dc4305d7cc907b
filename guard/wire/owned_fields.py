"""The one registry of field names that guard owns: nobody else may write them, in any spelling, in either direction.

Beside them stand the fields that are never forwarded, because a backend might believe them: who the client is, which
method, target or host it meant. RFC 9110 section 5.1 makes names case-insensitive; everything else here follows from
backends that fold further (CGI turns `-` into `_`, PHP also `.`, some any punctuation), see BYPASSES.md A12 and A15.
"""

from typing import Final

GUARD_ACCOUNT: Final = b"guard-account"
GUARD_KEY_ID: Final = b"guard-key-id"
GUARD_SCOPES: Final = b"guard-scopes"
GUARD_REQUEST_ID: Final = b"guard-request-id"
GUARD_ASSERTION: Final = b"guard-assertion"
GUARD_REASON: Final = b"guard-reason"
GUARD_SENT: Final = b"guard-sent"
RATELIMIT: Final = b"ratelimit"
RATELIMIT_POLICY: Final = b"ratelimit-policy"
FORWARDED: Final = b"forwarded"
X_FORWARDED_FOR: Final = b"x-forwarded-for"
X_FORWARDED_HOST: Final = b"x-forwarded-host"
X_FORWARDED_PROTO: Final = b"x-forwarded-proto"
CLIENT_CERT: Final = b"client-cert"

TO_BACKEND: Final = (
    FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    X_FORWARDED_HOST,
    CLIENT_CERT,
    GUARD_ACCOUNT,
    GUARD_KEY_ID,
    GUARD_SCOPES,
    GUARD_REQUEST_ID,
    GUARD_ASSERTION,
)
"""Every owned name that guard itself may write towards a backend."""

TO_CLIENT: Final = (GUARD_REQUEST_ID, GUARD_REASON, GUARD_SENT, RATELIMIT, RATELIMIT_POLICY)
"""Every owned name that guard itself may write towards a client."""

OWNED_NAMES: Final = frozenset(
    {FORWARDED, b"x-forwarded", b"x-real-ip", b"guard", CLIENT_CERT, b"client-cert-chain"}  # the last two: RFC 9440
)
OWNED_PREFIXES: Final = (b"guard-", RATELIMIT, b"x-forwarded-")

DROPPED_NAMES: Final = frozenset(
    {
        # Another method, target or host than the one that was judged (Symfony, IIS, Rack, WordPress read these).
        *(b"x-method-override", b"x-original-url", b"x-rewrite-url", b"x-override-url", b"x-original-host", b"x-host"),
        *(b"x-http-host-override", b"x-http-destinationurl", b"x-envoy-original-path"),
        # Another client address than the one that was counted. They have no effect here; a backend may believe them.
        *(b"true-client-ip", b"cf-connecting-ip", b"cf-connecting-ipv6", b"cf-pseudo-ipv4", b"fastly-client-ip"),
        *(b"client-ip", b"x-client-ip", b"x-cluster-client-ip", b"cluster-client-ip", b"x-azure-clientip"),
        *(b"x-true-ip", b"x-remote-ip", b"x-remote-addr", b"x-original-remote-addr", b"x-originating-ip", b"real-ip"),
        *(b"x-original-forwarded-for", b"forwarded-for", b"x-envoy-external-address", b"x-custom-ip-authorization"),
        # CGI turns `Proxy` into HTTP_PROXY, through which the backend then sends its own requests (CVE-2016-5385).
        b"proxy",
    }
)
DROPPED_PREFIXES: Final = (b"x-consumer-", b"x-http-method")
"""Fields that no backend sees from a client, in any spelling. A policy may name more."""

_FOLDED = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ" + b"!#$%&'*+.^_`|~",
    b"abcdefghijklmnopqrstuvwxyz" + b"--------------",
)


def fold(name: bytes) -> bytes:
    """The name as the most forgiving backend reads it: lower case, and each punctuation mark of a token is a hyphen."""
    return name.translate(_FOLDED)


def is_owned(name: bytes) -> bool:
    """Whether guard owns the name, however it is spelled."""
    folded = name.translate(_FOLDED)
    return folded in OWNED_NAMES or folded.startswith(OWNED_PREFIXES)


def is_alias(name: bytes) -> bool:
    """Whether the name is another spelling of an owned one. Case alone makes no alias."""
    folded = name.translate(_FOLDED)
    return folded != name.lower() and (folded in OWNED_NAMES or folded.startswith(OWNED_PREFIXES))
