"""`Guard-Assertion`: what guard states of one request, signed, so that a backend need not believe plain fields.

A compact JWS (RFC 7515) with EdDSA on Ed25519 (RFC 8037) over JWT claims (RFC 7519). Deterministic: the same claims and
key give the same bytes. Where the key lives and which requests get one is not known here.
"""

import base64
import hashlib

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.signing import SigningKey

from guard.model.keys import Secret

ISSUER = "guard"
TYPE = "guard-assertion+jwt"
LIFE_S = 30


class Claims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The statement. `aud` is the service, `jti` the request id, `htm` and `target` the request line as forwarded.

    `sub` (the account), `key` and `scope` (separated by spaces, sorted) are None together: on a route that is open to
    anyone. `digest` is the Content-Digest (RFC 9530) of the body, None where the body was forwarded unseen. Times are
    whole seconds.
    """

    iss: str
    aud: str
    jti: str
    sub: str | None = None
    key: str | None = None
    scope: str | None = None
    iat: int
    exp: int
    htm: str
    target: str
    digest: str | None = None


class AssertionKey:
    """The private key, opened. `id` is the thumbprint of its public key (RFC 7638), which every assertion names."""

    __slots__ = ("_head", "_key", "id")

    def __init__(self, seed: Secret) -> None:
        self._key = SigningKey(seed.reveal())
        public = self._public_members()
        self.id = _base64url(hashlib.sha256(msgspec.json.encode(public, order="sorted")).digest()).decode()
        self._head = _base64url(msgspec.json.encode({"alg": "EdDSA", "kid": self.id, "typ": TYPE})) + b"."

    def assertion(self, claims: Claims) -> bytes:
        """The claims, signed: the value of the field."""
        signed = self._head + _base64url(msgspec.json.encode(claims))
        return signed + b"." + _base64url(self._key.sign(signed).signature)

    def public_jwk(self) -> dict[str, str]:
        """The public key as a JSON Web Key (RFC 7517)."""
        return {**self._public_members(), "kid": self.id, "alg": "EdDSA", "use": "sig"}

    def public_pem(self) -> str:
        """The public key as a PEM file."""
        key = Ed25519PublicKey.from_public_bytes(bytes(self._key.verify_key))
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return key.public_bytes(serialization.Encoding.PEM, form).decode()

    def __repr__(self) -> str:
        return f"AssertionKey({self.id})"

    def _public_members(self) -> dict[str, str]:
        return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(bytes(self._key.verify_key)).decode()}


def _base64url(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
