"""Requests signed beforehand, so that signing costs the load generator nothing while it measures.

Written with the standard library alone and not with guard's own signer: a mistake of guard's cannot hide itself here.
"""

import hashlib
import hmac
import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TypeAlias

from loadtests.bench.serving import KEYS, secret

BODY = b'{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","quantity":"0.01","price":"50000.00"}'
HOST = "localhost"
SEPARATOR = b"\0"

Fields: TypeAlias = dict[str, str]


class Kind(StrEnum):
    """What a request is meant to meet."""

    ACCEPTED = "accepted"
    FORGED = "forged signature"
    UNKNOWN = "unknown key"
    EXHAUSTED_KEY = "exhausted key"
    EXHAUSTED_ADDRESS = "exhausted address"


# The answer that each kind gets, once its bucket is empty; and where it is sent.
EXPECTED = {
    Kind.ACCEPTED: (200, None),
    Kind.FORGED: (401, "auth.invalid"),
    Kind.UNKNOWN: (401, "auth.invalid"),
    Kind.EXHAUSTED_KEY: (429, "limit.exhausted-key"),
    Kind.EXHAUSTED_ADDRESS: (429, "limit.exhausted-address"),
}
_PATHS = {Kind.EXHAUSTED_KEY: "/exhausted/key", Kind.EXHAUSTED_ADDRESS: "/exhausted/address"}


def bench_v1(key: str, secret_text: str, path: str, now_ms: str) -> Fields:
    """The fields of the scheme that every gateway of the comparison checks."""
    nonce = secrets.token_hex(12)
    base = f"{now_ms}{nonce}POST{path}".encode() + BODY
    signature = hmac.digest(secret_text.encode(), base, "sha256").hex()
    return {"X-Api-Key": key, "X-Timestamp": now_ms, "X-Nonce": nonce, "X-Signature": signature}


def guard_v1(key: str, secret_text: str, path: str, now_ms: str) -> Fields:
    """The fields of guard's own scheme (docs/signing.md)."""
    nonce = secrets.token_urlsafe(16)
    base = f"guard-v1\n{key}\n{now_ms}\n\n{nonce}\nPOST\n{HOST}\n{path}\n{_DIGEST}"
    signature = b64encode(hmac.digest(secret_text.encode(), base.encode(), "sha256")).decode()
    return {
        "Guard-Key": key,
        "Guard-Timestamp": now_ms,
        "Guard-Nonce": nonce,
        "Guard-Signature": signature,
        "Content-Digest": _DIGEST,
    }


_DIGEST = f"sha-256=:{b64encode(hashlib.sha256(BODY).digest()).decode()}:"
DIALECTS: dict[str, Callable[[str, str, str, str], Fields]] = {"base": bench_v1, "desk": bench_v1, "real": guard_v1}


def requests(kind: Kind, profile: str, count: int) -> Iterator[bytes]:
    """This many whole requests, each signed now by the next of the keys, each with a nonce of its own."""
    sign, path, now_ms = DIALECTS[profile], _PATHS.get(kind, "/api/v3/order"), str(time.time_ns() // 1_000_000)
    for number in range(count):
        index = number % KEYS
        key = f"nobody{index}" if kind is Kind.UNKNOWN else f"key{index}"
        known = secret(index)
        fields = sign(key, f"{known}-forged" if kind is Kind.FORGED else known, path, now_ms)
        yield _message(path, fields)


def _message(path: str, fields: Fields) -> bytes:
    given = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nUser-Agent: wrk\r\n{given}"
    return f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY
