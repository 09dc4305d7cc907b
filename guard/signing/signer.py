"""The client's side of guard-v1 and api-key: the fields that make a request a signed one. Time and nonce come in."""

import base64
import hmac

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from nacl.signing import SigningKey

from guard.model.keys import KeyAlgorithm
from guard.model.names import UnixMs
from guard.signing.content_digest import make_content_digest

_SEED_BYTES = 32


def sign(
    *,
    key_id: str,
    secret_or_private: bytes,
    algorithm: KeyAlgorithm,
    method: str,
    authority: bytes,
    target: bytes,
    body: bytes,
    now: UnixMs,
    nonce: str,
    expires: UnixMs | None = None,
) -> tuple[tuple[bytes, bytes], ...]:
    """The fields to add to the request, in the spelling in which they are usually written.

    An ed25519 key is a raw seed of 32 bytes or PEM. For API_KEY the secret itself is sent, and nothing is signed.
    Raises ValueError for an algorithm that guard-v1 does not have, or a key that cannot be read.
    """
    if algorithm is KeyAlgorithm.API_KEY:
        return ((b"Guard-Api-Key", key_id.encode() + b"." + secret_or_private),)
    digest = make_content_digest(body) if body else b""
    base = string_to_sign(
        key_id=key_id,
        method=method,
        authority=authority,
        target=target,
        content_digest=digest,
        now=now,
        nonce=nonce,
        expires=expires,
    )
    fields = [(b"Guard-Key", key_id.encode()), (b"Guard-Timestamp", b"%d" % now), (b"Guard-Nonce", nonce.encode())]
    if expires is not None:
        fields.append((b"Guard-Expires", b"%d" % expires))
    if digest:
        fields.append((b"Content-Digest", digest))
    fields.append((b"Guard-Signature", base64.b64encode(_signature(algorithm, secret_or_private, base))))
    return tuple(fields)


def string_to_sign(
    *,
    key_id: str,
    method: str,
    authority: bytes,
    target: bytes,
    content_digest: bytes,
    now: UnixMs,
    nonce: str,
    expires: UnixMs | None = None,
) -> bytes:
    """The signature base of guard-v1 (ARCHITECTURE.md section 6), written out as a client would."""
    lines = (
        b"guard-v1",
        key_id.encode(),
        b"%d" % now,
        b"" if expires is None else b"%d" % expires,
        nonce.encode(),
        method.encode(),
        authority,
        target,
        content_digest,
    )
    return b"\n".join(lines)


def _signature(algorithm: KeyAlgorithm, secret_or_private: bytes, base: bytes) -> bytes:
    if algorithm is KeyAlgorithm.HMAC_SHA256:
        return hmac.digest(secret_or_private, base, "sha256")
    if algorithm is KeyAlgorithm.ED25519:
        return SigningKey(_seed(secret_or_private)).sign(base).signature
    raise ValueError(f"guard-v1 has no {algorithm} keys")


def _seed(private: bytes) -> bytes:
    if len(private) == _SEED_BYTES:
        return private
    key = load_pem_private_key(private, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("this is not an ed25519 private key")  # noqa: TRY004  # the caller's file is wrong, not a type
    return key.private_bytes_raw()
