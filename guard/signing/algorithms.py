"""Signatures verified, algorithm by algorithm. What was signed is somebody else's question.

Nothing here raises on hostile input, and nothing here is cheaper for it: a malformed signature, or a key that cannot be
used, costs what a wrong signature costs, because a stand-in takes the place of what is missing and the answer is No
whatever comes of it. So a destroyed key, and the decoy of a key that nobody holds, have empty material.
"""

import hmac
from collections.abc import Callable
from functools import lru_cache
from hashlib import shake_256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from nacl.exceptions import BadSignatureError, CryptoError
from nacl.signing import SigningKey, VerifyKey

from guard.signing.scheme import SignatureAlgorithm

RSA_BITS_MIN = 2048
PEPPER_BYTES = 32

_ED25519_KEY_BYTES = 32
_ED25519_BYTES = 64
_P256_BYTES = 64
_P256_HALF = 32


def verifies(algorithm: SignatureAlgorithm, material: bytes, message: bytes, signature: bytes | None) -> bool:
    """Whether `signature` (None: it could not be decoded) was made over `message` with the key in `material`."""
    return _VERIFIERS[algorithm](material, message, signature)


def api_key_hash(pepper: bytes, secret: bytes) -> bytes:
    """What is stored of a bare secret: HMAC-SHA256 under the pepper. A KeyRecord's material is the pepper, then this.

    The signing room knows no pepper: whoever opens a record prepends its 32 bytes to the 32 stored ones.
    """
    if len(pepper) != PEPPER_BYTES:
        raise ValueError(f"the pepper has {PEPPER_BYTES} bytes")
    return hmac.digest(pepper, secret, "sha256")


def _hmac(hash_name: str) -> Callable[[bytes, bytes, bytes | None], bool]:
    def verify(material: bytes, message: bytes, signature: bytes | None) -> bool:
        expected = hmac.digest(material, message, hash_name)
        return hmac.compare_digest(expected, signature or b"") and bool(material)

    return verify


def _api_key(material: bytes, _: bytes, signature: bytes | None) -> bool:
    hashed = hmac.digest(material[:PEPPER_BYTES], signature or b"", "sha256")
    return hmac.compare_digest(hashed, material[PEPPER_BYTES:]) and bool(signature)


def _ed25519(material: bytes, message: bytes, signature: bytes | None) -> bool:
    usable = len(material) == _ED25519_KEY_BYTES and signature is not None and len(signature) == _ED25519_BYTES
    key = VerifyKey(material) if usable else VerifyKey(_nobodys_ed25519())
    try:
        key.verify(message, signature if usable else _nobodys_signature())
    except (BadSignatureError, CryptoError):
        return False
    return usable


def _rsa(material: bytes, message: bytes, signature: bytes | None) -> bool:
    found = _rsa_key(material)
    key = found or _nobodys_rsa()
    offered = _sized(signature, (key.key_size + 7) // 8)
    try:
        key.verify(offered, message, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return found is not None


def _ecdsa_p256(material: bytes, message: bytes, signature: bytes | None) -> bool:
    found = _p256_key(material)
    key = found or _nobodys_p256()
    offered = _sized(signature, _P256_BYTES)
    r, s = int.from_bytes(offered[:_P256_HALF], "big"), int.from_bytes(offered[_P256_HALF:], "big")
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return found is not None


def _sized(signature: bytes | None, size: int) -> bytes:
    """The signature, or if it has another length one that has the right length and is wrong."""
    return signature if signature is not None and len(signature) == size else b"\x5a" * size


@lru_cache(maxsize=4096)
def _rsa_key(material: bytes) -> rsa.RSAPublicKey | None:
    key = _spki(material)
    return key if isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS_MIN else None


@lru_cache(maxsize=4096)
def _p256_key(material: bytes) -> ec.EllipticCurvePublicKey | None:
    key = _spki(material)
    return key if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1) else None


def _spki(material: bytes) -> object:
    try:
        return serialization.load_der_public_key(material)
    except (ValueError, UnsupportedAlgorithm):
        return None


@lru_cache(maxsize=1)
def _nobodys_ed25519() -> bytes:
    return bytes(SigningKey(bytes(_ED25519_KEY_BYTES)).verify_key)


@lru_cache(maxsize=1)
def _nobodys_signature() -> bytes:
    """A real one over something else: libsodium, whose work depends on what it is given, does all of it."""
    return SigningKey(bytes(_ED25519_KEY_BYTES)).sign(b"guard: nobody's message").signature


@lru_cache(maxsize=1)
def _nobodys_rsa() -> rsa.RSAPublicKey:
    """A modulus out of a hash: verifying costs the same whether or not anybody could factor it."""
    modulus = int.from_bytes(shake_256(b"guard: nobody's RSA key").digest(RSA_BITS_MIN // 8), "big")
    return rsa.RSAPublicNumbers(e=65537, n=modulus | (1 << (RSA_BITS_MIN - 1)) | 1).public_key()


@lru_cache(maxsize=1)
def _nobodys_p256() -> ec.EllipticCurvePublicKey:
    return ec.derive_private_key(1, ec.SECP256R1()).public_key()


_VERIFIERS: dict[SignatureAlgorithm, Callable[[bytes, bytes, bytes | None], bool]] = {
    SignatureAlgorithm.HMAC_SHA256: _hmac("sha256"),
    SignatureAlgorithm.HMAC_SHA384: _hmac("sha384"),
    SignatureAlgorithm.HMAC_SHA512: _hmac("sha512"),
    SignatureAlgorithm.ED25519: _ed25519,
    SignatureAlgorithm.RSA_PKCS1V15_SHA256: _rsa,
    SignatureAlgorithm.ECDSA_P256_SHA256: _ecdsa_p256,
    SignatureAlgorithm.API_KEY: _api_key,
}
