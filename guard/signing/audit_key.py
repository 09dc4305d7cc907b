"""The key that signs checkpoints of the audit trail, and the public keys that verify them: Ed25519 (RFC 8032).

A key's id is the first 16 hexadecimal digits of the SHA-256 of its 32 public bytes.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.signing import SigningKey

from guard.model.keys import KeyAlgorithm, Secret
from guard.signing.key_material import public_key_from

_ID_DIGITS = 16


class AuditKey:
    """The private key, opened. `id` is the id of its public half."""

    __slots__ = ("_key", "id", "public")

    def __init__(self, seed: Secret) -> None:
        self._key = SigningKey(seed.reveal())
        self.public = bytes(self._key.verify_key)
        self.id = key_id_of(self.public)

    def signature(self, document: bytes) -> bytes:
        """Over these bytes, in base64."""
        return base64.b64encode(self._key.sign(document).signature)

    def public_pem(self) -> str:
        """The public half as a PEM file."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        key = Ed25519PublicKey.from_public_bytes(self.public)
        return key.public_bytes(serialization.Encoding.PEM, form).decode()

    def __repr__(self) -> str:
        return f"AuditKey({self.id})"


def key_id_of(public: bytes) -> str:
    """The id under which checkpoints name this key."""
    return hashlib.sha256(public).hexdigest()[:_ID_DIGITS]


def public_keys_of(files: Iterable[bytes]) -> Mapping[str, bytes]:
    """Public keys by id: PEM, DER, raw, hexadecimal or base64, one a file. Raises ValueError with a sentence."""
    found = (public_key_from(file, KeyAlgorithm.ED25519) for file in files)
    return {key_id_of(public): public for public in found}
