import base64
import hmac

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from nacl.signing import SigningKey

from guard.model.keys import KeyAlgorithm
from guard.model.names import UnixMs
from guard.signing.signer import sign, string_to_sign
from tests.build import KEY_ID, NONCE, NOW, SECRET

_SEED = bytes(range(32))
# Written by hand from ARCHITECTURE.md section 6; the digest is that of RFC 9530 appendix D.
_BODY = b'{"hello": "world"}\n'
_DIGEST = b"sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
_BASE = (
    b"guard-v1\n"
    b"gk_test\n"
    b"1900000000000\n"
    b"\n"
    b"nonce-0123456789-abcdefg\n"
    b"POST\n"
    b"gateway.test:8443\n"
    b"/v1/orders?a=%20&b\n" + _DIGEST
)


def _signed(
    algorithm: KeyAlgorithm, private: bytes, *, body: bytes = _BODY, expires: UnixMs | None = None
) -> dict[bytes, bytes]:
    fields = sign(
        key_id=KEY_ID,
        secret_or_private=private,
        algorithm=algorithm,
        method="POST",
        authority=b"gateway.test:8443",
        target=b"/v1/orders?a=%20&b",
        body=body,
        now=NOW,
        nonce=NONCE,
        expires=expires,
    )
    assert len(dict(fields)) == len(fields)
    return dict(fields)


def test_the_base_is_nine_lines_and_no_line_feed_at_the_end() -> None:
    base = string_to_sign(
        key_id=KEY_ID,
        method="POST",
        authority=b"gateway.test:8443",
        target=b"/v1/orders?a=%20&b",
        content_digest=_DIGEST,
        now=NOW,
        nonce=NONCE,
    )
    assert base == _BASE


def test_an_hmac_is_over_the_base() -> None:
    fields = _signed(KeyAlgorithm.HMAC_SHA256, SECRET)
    assert fields.pop(b"Guard-Signature") == base64.b64encode(hmac.digest(SECRET, _BASE, "sha256"))
    assert fields == {
        b"Guard-Key": b"gk_test",
        b"Guard-Timestamp": b"1900000000000",
        b"Guard-Nonce": b"nonce-0123456789-abcdefg",
        b"Content-Digest": _DIGEST,
    }


def test_without_a_body_there_is_no_digest_and_its_line_is_empty() -> None:
    fields = _signed(KeyAlgorithm.HMAC_SHA256, SECRET, body=b"")
    base = _BASE[: -len(_DIGEST)]
    assert b"Content-Digest" not in fields
    assert fields[b"Guard-Signature"] == base64.b64encode(hmac.digest(SECRET, base, "sha256"))


def test_a_deadline_is_sent_and_signed() -> None:
    fields = _signed(KeyAlgorithm.HMAC_SHA256, SECRET, expires=UnixMs(1_900_000_000_500))
    base = _BASE.replace(b"1900000000000\n\n", b"1900000000000\n1900000000500\n")
    assert fields[b"Guard-Expires"] == b"1900000000500"
    assert fields[b"Guard-Signature"] == base64.b64encode(hmac.digest(SECRET, base, "sha256"))


def test_an_ed25519_key_may_be_a_seed_or_pem() -> None:
    pem = ed25519.Ed25519PrivateKey.from_private_bytes(_SEED).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    expected = base64.b64encode(SigningKey(_SEED).sign(_BASE).signature)
    assert _signed(KeyAlgorithm.ED25519, _SEED)[b"Guard-Signature"] == expected
    assert _signed(KeyAlgorithm.ED25519, pem)[b"Guard-Signature"] == expected


def test_a_bare_secret_is_sent_as_it_is() -> None:
    assert _signed(KeyAlgorithm.API_KEY, b"s3cret") == {b"Guard-Api-Key": b"gk_test.s3cret"}


def test_other_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="no rsa keys"):
        _signed(KeyAlgorithm.RSA, b"")
    with pytest.raises(ValueError):  # noqa: PT011  # cryptography's own words
        _signed(KeyAlgorithm.ED25519, b"not a key")
    other = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ValueError, match="not an ed25519"):
        _signed(KeyAlgorithm.ED25519, other)
