"""The decision log: one JSON line a decision, complete or not at all. It is for people and for `guard explain` and
`guard backtest` later; it never holds a secret, signature, nonce, body, query string or whole key id.
"""

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from guard.model.decision import DecisionEvent
from guard.model.names import KeyId, UnixMs

_PREFIX_CHARACTERS = 6
_TAG_DIGITS = 8
_TAGS_MAX = 10_000


class DecisionLog:
    """Writes each event as one line in one write. `tag_key` makes the tags of key ids, so that a log cannot be searched
    for a key id by whoever does not hold it.
    """

    def __init__(self, write: Callable[[bytes], object], tag_key: bytes) -> None:
        self._write = write
        self._tag_key = tag_key
        self._encode = msgspec.json.Encoder().encode
        self.key_tag = lru_cache(maxsize=_TAGS_MAX)(self._key_tag)
        """The first characters of a key id and a keyed tag: enough to follow one key, not enough to name it."""

    def record(self, event: DecisionEvent) -> None:
        """Write one line."""
        self._write(self._encode(event) + b"\n")

    def _key_tag(self, key_id: KeyId) -> str:
        digest = hmac.digest(self._tag_key, key_id.encode(), hashlib.sha256)
        return f"{key_id[:_PREFIX_CHARACTERS]}…{digest.hex()[:_TAG_DIGITS]}"


def timestamp(at: UnixMs) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    seconds, ms = divmod(at, 1000)
    return f"{_second(seconds)}.{ms:03}Z"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
