"""Signed requests of guard-v1, by guard's own signer: what a client library would send."""

import secrets
from collections.abc import Mapping

import msgspec

from guard.model.keys import KeyAlgorithm
from guard.model.names import UnixMs
from guard.signing.signer import sign
from loadtests.crowd.keys import LoadKey

_NONCE_BYTES = 16
_FORGED = b"not the secret of this key"


class Signed(msgspec.Struct, frozen=True):
    """A request that may be sent once. Sent again, it is a replay."""

    method: str
    target: str
    body: bytes
    fields: Mapping[str, str]
    key_id: str
    nonce: str


def fresh_nonce() -> str:
    """128 random bits: a counter would be the same in two workers."""
    return secrets.token_urlsafe(_NONCE_BYTES)


def signed(
    key: LoadKey, method: str, target: str, body: bytes = b"", *, authority: str, now: UnixMs, nonce: str
) -> Signed:
    """By the key's holder."""
    return _signed(key, key.secret.encode(), Signed(method, target, body, {}, key.id, nonce), authority, now)


def forged(
    key: LoadKey, method: str, target: str, body: bytes = b"", *, authority: str, now: UnixMs, nonce: str
) -> Signed:
    """By somebody who knows the key's id and not its secret."""
    return _signed(key, _FORGED, Signed(method, target, body, {}, key.id, nonce), authority, now)


def _signed(key: LoadKey, secret: bytes, request: Signed, authority: str, now: UnixMs) -> Signed:
    fields = sign(
        key_id=key.id,
        secret_or_private=secret,
        algorithm=KeyAlgorithm.HMAC_SHA256,
        method=request.method,
        authority=authority.encode(),
        target=request.target.encode(),
        body=request.body,
        now=now,
        nonce=request.nonce,
    )
    named = {name.decode(): value.decode() for name, value in fields}
    return msgspec.structs.replace(request, fields=named)
