"""Schemes for tests of this room: one on each transport, and a way to change a shipped one."""

from typing import Any

from guard.signing.profile import compile_profile
from guard.signing.scheme import Scheme

KEYED: dict[str, Any] = {
    "transport": "http",
    "guarantee": "exact",
    "take": {
        "key": ["header:Authorization|kv(venue-hmac)|id"],
        "signature": ["header:Authorization|kv(venue-hmac)|sig"],
        "timestamp": ["header:Authorization|kv(venue-hmac)|ts"],
        "nonce": ["form:nonce", "json:/nonce"],
    },
    "formats": {"timestamp": "[1-9][0-9]{12}", "nonce": "[0-9]{1,20}"},
    "base": "{timestamp}{LF}{method}{LF}{authority}{LF}{target}{LF}{key}{LF}{sha256(nonce,body)}",
    "algorithms": {"hmac-sha512": {"encoding": "base64", "secret": "base64"}, "ecdsa-p256": {"encoding": "base64url"}},
    "time": {"unit": "ms", "past_ms": 5000, "future_ms": 1000, "past_ms_max": 60000},
    "unbound": [],
}
"""Credentials inside one field, the nonce in a form or a JSON body: the signature needs the body."""

MESSAGES: dict[str, Any] = {
    "transport": "websocket",
    "guarantee": "window",
    "take": {
        "key": ["ws:/params/apiKey"],
        "signature": ["ws:/params/signature"],
        "timestamp": ["ws:/params/timestamp"],
    },
    "base": "{sorted_pairs(ws:/params,'signature')}",
    "algorithms": {"hmac-sha256": {"encoding": "hex"}},
    "time": {"unit": "ms_or_us", "past_ms": 5000, "future_ms": 1000, "past_ms_max": 60000},
    "unbound": ["body"],
}
"""Binance's WebSocket API."""

FRAMES: dict[str, Any] = {
    "transport": "fix",
    "guarantee": "window",
    "take": {"key": ["fix:553"], "signature": ["fix:96"], "timestamp": ["fix:52"]},
    "base": "{join(SOH,fix:35,fix:49,fix:56,fix:34,fix:52,key)}",
    "algorithms": {"ed25519": {"encoding": "base64"}},
    "time": {"unit": "fix_utc", "past_ms": 5000, "future_ms": 1000, "past_ms_max": 60000},
    "unbound": ["body"],
}
"""A FIX logon."""


def compiled(profile: dict[str, Any], **changes: Any) -> Scheme:
    return compile_profile("dialect", {**profile, **changes}, {})
