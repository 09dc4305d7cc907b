"""Public keys as people paste them → the form in which a KeyRecord holds them. Used when a key is imported."""

import binascii
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from nacl.bindings import crypto_core_ed25519_is_valid_point

from guard.model.keys import KeyAlgorithm
from guard.signing.algorithms import RSA_BITS_MIN
from guard.signing.encodings import decode_base64

RSA_BITS_MAX = 8192
"""Beyond it a single signature would cost milliseconds to verify."""

_ED25519_BYTES = 32
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})+")


def public_key_from(text: bytes, algorithm: KeyAlgorithm) -> bytes:
    """The key as a record holds it: 32 raw bytes for ed25519, DER SubjectPublicKeyInfo for the others.

    Accepts PEM; DER; for ed25519 the raw 32 bytes; and either of the last two in hexadecimal or base64. Raises
    ValueError with a sentence for the one who pasted it: also for a private key, which must not be here at all.
    """
    if algorithm.symmetric:
        raise ValueError(f"{algorithm} keys have a secret, not a public key")
    _refuse_private(text)
    key = _parsed(text, algorithm)
    if algorithm is KeyAlgorithm.ED25519:
        return _ed25519(key)
    if algorithm is KeyAlgorithm.RSA:
        _refuse_bad_rsa(key)
    elif not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError(f"this is {_kind(key)}, not an elliptic curve key on P-256")
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


_PublicKey = ed25519.Ed25519PublicKey | rsa.RSAPublicKey | ec.EllipticCurvePublicKey


def _refuse_private(text: bytes) -> None:
    content = _unwrapped(text)
    if b"PRIVATE KEY" in text or b"PRIVATE KEY" in content or _is_private(content):
        raise ValueError(
            "this is a PRIVATE key. guard needs the public one only; whoever has seen this file can sign as its owner, "
            "so consider it exposed and make a new pair"
        )


def _is_private(content: bytes) -> bool:
    try:
        serialization.load_der_private_key(content, password=None)
    except TypeError:
        return True  # it is one, under a password
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True


def _parsed(text: bytes, algorithm: KeyAlgorithm) -> _PublicKey:
    content = _unwrapped(text)
    try:
        if text.lstrip().startswith(b"-----BEGIN"):
            key = serialization.load_pem_public_key(text.strip())
        elif algorithm is KeyAlgorithm.ED25519 and len(content) == _ED25519_BYTES:
            key = ed25519.Ed25519PublicKey.from_public_bytes(content)
        else:
            key = serialization.load_der_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise ValueError("this is no public key in PEM or DER, nor (for ed25519) 32 raw bytes") from fault
    if not isinstance(key, _PublicKey):
        raise ValueError(f"this is {_kind(key)}, which guard does not verify with")  # noqa: TRY004  # for the one who pasted it
    return key


def _unwrapped(text: bytes) -> bytes:
    """The bytes of what may be written in hexadecimal or base64; `text` itself if it is neither."""
    stripped = text.strip()
    if len(text) == _ED25519_BYTES:
        return text
    if _HEX.fullmatch(stripped):
        return binascii.unhexlify(stripped)
    return decode_base64(b"".join(stripped.split())) or text


def _ed25519(key: _PublicKey) -> bytes:
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise ValueError(f"this is {_kind(key)}, not an ed25519 key")  # noqa: TRY004  # see _parsed
    raw = key.public_bytes_raw()
    if not crypto_core_ed25519_is_valid_point(raw):
        raise ValueError("these 32 bytes are no ed25519 public key: not a point of the prime-order group")
    return raw


def _refuse_bad_rsa(key: _PublicKey) -> None:
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError(f"this is {_kind(key)}, not an RSA key")  # noqa: TRY004  # see _parsed
    if not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
        raise ValueError(f"this RSA key has {key.key_size} bits; guard takes {RSA_BITS_MIN} to {RSA_BITS_MAX}")


def _kind(key: object) -> str:
    name = type(key).__name__.removesuffix("PublicKey")
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"an elliptic curve key on {key.curve.name}"
    return {"RSA": "an RSA key", "Ed25519": "an ed25519 key"}.get(name, f"a key of type {name}")
