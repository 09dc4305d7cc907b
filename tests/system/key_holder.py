"""The other side of a key: what its holder has, and how requests are signed with it."""

import secrets
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from guard.model.keys import KeyAlgorithm
from guard.model.names import UnixMs
from guard.service.key_orders import KeyOrder
from guard.signing.signer import sign
from tests.system.raw_http import message


class Key(msgspec.Struct, frozen=True):
    """A key as its holder has it. `secret` is the shared secret, or the seed of an ed25519 key."""

    id: str
    secret: bytes
    account: str = "acme"
    scopes: tuple[str, ...] = ("read", "trade")
    algorithm: KeyAlgorithm = KeyAlgorithm.HMAC_SHA256
    public_key: str | None = None
    networks: tuple[str, ...] = ()
    expires_at_ms: int | None = None

    @property
    def order(self) -> KeyOrder:
        """What to tell the gateway's keyring."""
        return KeyOrder(
            id=self.id,
            account=self.account,
            secret=self.secret.decode() if self.algorithm.symmetric else None,
            public_key=self.public_key,
            scopes=self.scopes,
            algorithm=self.algorithm,
            networks=self.networks,
            expires_at_ms=self.expires_at_ms,
        )

    @property
    def credential(self) -> bytes:
        """What a bare key sends."""
        return self.id.encode() + b"." + self.secret


def minted(prefix: str = "k", **changes: Any) -> Key:
    """A new key that no other test uses."""
    return Key(id=f"{prefix}_{secrets.token_hex(6)}", secret=secrets.token_urlsafe(24).encode(), **changes)


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def new_nonce() -> str:
    return secrets.token_urlsafe(18)


def signed_fields(
    key: Key,
    method: str,
    target: bytes | str,
    body: bytes = b"",
    *,
    host: bytes = b"gateway.test",
    at: int | None = None,
    nonce: str | None = None,
    expires: int | None = None,
) -> list[tuple[bytes, bytes]]:
    """Host, and the fields of guard-v1 (or the bare secret of an api-key)."""
    added = sign(
        key_id=key.id,
        secret_or_private=key.secret,
        algorithm=key.algorithm,
        method=method,
        authority=host,
        target=target.encode("latin-1") if isinstance(target, str) else target,
        body=body,
        now=UnixMs(wall_ms() if at is None else at),
        nonce=nonce or new_nonce(),
        expires=None if expires is None else UnixMs(expires),
    )
    return [(b"Host", host), *added]


def signed(key: Key, method: str, target: bytes | str, body: bytes = b"", **how: Any) -> bytes:
    """A whole signed request. `how` is for `signed_fields`; `extra` are more fields, put before those."""
    extra = how.pop("extra", ())
    return message(method, target, [*extra, *signed_fields(key, method, target, body, **how)], body)


def changed(fields: Sequence[tuple[bytes, bytes]], name: bytes, value: bytes | None) -> list[tuple[bytes, bytes]]:
    """The same fields, one of them with another value, or left out."""
    kept = [(key, value if key.lower() == name.lower() and value is not None else old) for key, old in fields]
    return [pair for pair in kept if value is not None or pair[0].lower() != name.lower()]
