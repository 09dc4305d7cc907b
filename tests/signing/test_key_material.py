import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from hypothesis import given
from hypothesis import strategies as st

from guard.model.keys import KeyAlgorithm
from guard.signing.key_material import public_key_from

_DER, _PEM, _SPKI = (
    serialization.Encoding.DER,
    serialization.Encoding.PEM,
    serialization.PublicFormat.SubjectPublicKeyInfo,
)
_ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_RAW = _ED.public_key().public_bytes_raw()
_P256 = ec.derive_private_key(7, ec.SECP256R1())
_RSA = rsa.generate_private_key(65537, 2048)
_KINDS = [(KeyAlgorithm.ED25519, _ED), (KeyAlgorithm.ECDSA_P256, _P256), (KeyAlgorithm.RSA, _RSA)]


@pytest.mark.parametrize(
    "text",
    [
        _RAW,
        _RAW.hex().encode(),
        _RAW.hex().upper().encode() + b"\n",
        base64.b64encode(_RAW),
        b" " + base64.b64encode(_RAW) + b"\n",
    ],
)
def test_an_ed25519_key_may_be_raw_hexadecimal_or_base64(text: bytes) -> None:
    assert public_key_from(text, KeyAlgorithm.ED25519) == _RAW


@pytest.mark.parametrize(("kind", "private"), _KINDS)
def test_every_public_key_may_be_pem_or_der(kind: KeyAlgorithm, private: ec.EllipticCurvePrivateKey) -> None:
    public = private.public_key()
    der = public.public_bytes(_DER, _SPKI)
    material = _RAW if kind is KeyAlgorithm.ED25519 else der
    pem = public.public_bytes(_PEM, _SPKI)
    for text in (pem, b"\n" + pem + b"\n", der, base64.b64encode(der), base64.encodebytes(der), der.hex().encode()):
        assert public_key_from(text, kind) == material


@pytest.mark.parametrize(("kind", "private"), _KINDS)
def test_a_private_key_is_refused_loudly(kind: KeyAlgorithm, private: ec.EllipticCurvePrivateKey) -> None:
    formats = serialization.PrivateFormat.PKCS8
    for encoding in (_PEM, _DER):
        text = private.private_bytes(encoding, formats, serialization.NoEncryption())
        for written in (text, base64.b64encode(text)):
            with pytest.raises(ValueError, match="PRIVATE key") as fault:
                public_key_from(written, kind)
            assert "exposed" in str(fault.value)


def test_a_private_key_under_a_password_is_refused_too() -> None:
    locked = _P256.private_bytes(
        _DER, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"password")
    )
    with pytest.raises(ValueError, match="PRIVATE key"):
        public_key_from(locked, KeyAlgorithm.ECDSA_P256)


@pytest.mark.parametrize(
    "text",
    [
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nxx",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nxx",
        b"-----BEGIN RSA PRIVATE KEY-----",
    ],
)
def test_a_private_key_in_any_armour_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="PRIVATE key"):
        public_key_from(text, KeyAlgorithm.RSA)


@pytest.mark.parametrize("kind", [kind for kind, _ in _KINDS])
def test_a_key_of_another_kind_is_refused_by_name(kind: KeyAlgorithm) -> None:
    publics = {
        KeyAlgorithm.ED25519: _ED.public_key().public_bytes(_PEM, _SPKI),
        KeyAlgorithm.ECDSA_P256: _P256.public_key().public_bytes(_PEM, _SPKI),
        KeyAlgorithm.RSA: _RSA.public_key().public_bytes(_PEM, _SPKI),
        None: ec.derive_private_key(7, ec.SECP384R1()).public_key().public_bytes(_PEM, _SPKI),
    }
    for other, pem in publics.items():
        if other is not kind:
            with pytest.raises(ValueError, match="this is a"):
                public_key_from(pem, kind)


def test_a_key_that_guard_does_not_know_is_refused() -> None:
    public = x25519.X25519PrivateKey.generate().public_key()
    with pytest.raises(ValueError, match="a key of type X25519, which guard does not"):
        public_key_from(public.public_bytes(_PEM, _SPKI), KeyAlgorithm.RSA)


@pytest.mark.parametrize("bits", [1024, 2047])
def test_a_small_rsa_key_is_refused(bits: int) -> None:
    public = rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) | 1).public_key()
    with pytest.raises(ValueError, match=f"has {bits} bits; guard takes 2048 to 8192"):
        public_key_from(public.public_bytes(_PEM, _SPKI), KeyAlgorithm.RSA)


def test_a_huge_rsa_key_is_refused() -> None:
    public = rsa.RSAPublicNumbers(65537, (1 << 8999) | 1).public_key()
    with pytest.raises(ValueError, match="9000 bits"):
        public_key_from(public.public_bytes(_PEM, _SPKI), KeyAlgorithm.RSA)


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31), b"\xff" * 32, b"\x02" + bytes(31)])
def test_32_bytes_that_are_no_point_of_the_group_are_refused(point: bytes) -> None:
    with pytest.raises(ValueError, match="ed25519"):
        public_key_from(point, KeyAlgorithm.ED25519)


@pytest.mark.parametrize("kind", [KeyAlgorithm.HMAC_SHA256, KeyAlgorithm.HMAC_SHA512, KeyAlgorithm.API_KEY])
def test_a_symmetric_key_has_no_public_part(kind: KeyAlgorithm) -> None:
    with pytest.raises(ValueError, match="secret"):
        public_key_from(_RAW, kind)


@given(st.binary(max_size=80), st.sampled_from([kind for kind, _ in _KINDS]))
def test_anything_else_is_refused(text: bytes, kind: KeyAlgorithm) -> None:
    try:
        public_key_from(text, kind)
    except ValueError:
        return
    else:
        assert kind is KeyAlgorithm.ED25519
        assert len(text) >= 32
