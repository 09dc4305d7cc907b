"""Keys for policy tests: each follows from its name, so that a test decides alike everywhere. Everybody knows them.

They are never in a key database; a gateway that serves has none of them.
"""

import base64
import hmac
from functools import lru_cache
from hashlib import sha256, shake_256
from typing import Final

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from nacl.signing import SigningKey

from guard.model.keys import KeyAlgorithm
from guard.signing.algorithms import PEPPER_BYTES, api_key_hash
from guard.signing.encodings import decode_base64
from guard.signing.scheme import SecretFormat, SignatureAlgorithm, SignatureForm

_PEPPER: Final = bytes(PEPPER_BYTES)
_EXPONENT: Final = 65537
_PRIME_BYTES: Final = 128
_P256_HALF: Final = 32
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_HASHES: Final = {
    SignatureAlgorithm.HMAC_SHA256: "sha256",
    SignatureAlgorithm.HMAC_SHA384: "sha384",
    SignatureAlgorithm.HMAC_SHA512: "sha512",
}


class Specimen(msgspec.Struct, frozen=True):
    """One key of a policy test: its kind, what its holder keeps, and what a key record would hold of it."""

    algorithm: KeyAlgorithm
    secret: bytes
    material: bytes

    def sign(self, form: SignatureForm, base: bytes) -> bytes:
        """The signature over `base`, not encoded yet; of a bare secret the secret itself."""
        match form.algorithm:
            case SignatureAlgorithm.API_KEY:
                return self.secret
            case SignatureAlgorithm.ED25519:
                return SigningKey(self.secret).sign(base).signature
            case SignatureAlgorithm.RSA_PKCS1V15_SHA256:
                return _everybodys_rsa().sign(base, padding.PKCS1v15(), SHA256())
            case SignatureAlgorithm.ECDSA_P256_SHA256:
                key = ec.derive_private_key(int.from_bytes(self.secret, "big"), ec.SECP256R1())
                halves = decode_dss_signature(key.sign(base, ec.ECDSA(SHA256(), deterministic_signing=True)))
                return b"".join(half.to_bytes(_P256_HALF, "big") for half in halves)
            case hashed:
                secret = self.secret if form.secret is SecretFormat.UTF8 else decode_base64(self.secret) or b""
                return hmac.digest(secret, base, _HASHES[hashed])


@lru_cache(maxsize=1024)
def specimen(name: str, algorithm: KeyAlgorithm) -> Specimen:
    """The key of this name and kind: always the same. All RSA keys are one, because making one takes long."""
    seed = sha256(f"guard: a key for policy tests: {algorithm}: {name}".encode()).digest()
    match algorithm:
        case KeyAlgorithm.ED25519:
            return Specimen(algorithm, seed, bytes(SigningKey(seed).verify_key))
        case KeyAlgorithm.RSA:
            return Specimen(algorithm, b"", _spki(_everybodys_rsa().public_key()))
        case KeyAlgorithm.ECDSA_P256:
            number = int.from_bytes(seed, "big") % (_P256_ORDER - 1) + 1
            public = ec.derive_private_key(number, ec.SECP256R1()).public_key()
            return Specimen(algorithm, number.to_bytes(_P256_HALF, "big"), _spki(public))
        case KeyAlgorithm.API_KEY:
            secret = base64.urlsafe_b64encode(seed).rstrip(b"=")
            return Specimen(algorithm, secret, _PEPPER + api_key_hash(_PEPPER, secret))
        case _:
            secret = base64.b64encode(seed)
            return Specimen(algorithm, secret, secret)


@lru_cache(maxsize=1)
def _everybodys_rsa() -> rsa.RSAPrivateKey:
    """Two primes that lie close after two hashes: no key has to be kept anywhere, and none is searched for."""
    p, q = _near(b"p") + 800, _near(b"q") + 254
    private = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=private,
        dmp1=private % (p - 1),
        dmq1=private % (q - 1),
        iqmp=pow(q, -1, p),
        public_numbers=rsa.RSAPublicNumbers(_EXPONENT, p * q),
    ).private_key()


def _near(name: bytes) -> int:
    return (
        int.from_bytes(shake_256(b"guard: everybody's RSA key, " + name).digest(_PRIME_BYTES), "big") | (3 << 1022) | 1
    )


def _spki(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
