import pytest

from guard.model.keys import KeyAlgorithm, Secret
from guard.signing.algorithms import verifies
from guard.signing.scheme import Encoding, SecretFormat, SignatureAlgorithm, SignatureForm
from guard.signing.specimens import specimen
from tests.build import scheme

_FORMS = [
    (KeyAlgorithm.HMAC_SHA256, SignatureAlgorithm.HMAC_SHA256),
    (KeyAlgorithm.HMAC_SHA512, SignatureAlgorithm.HMAC_SHA512),
    (KeyAlgorithm.HMAC_SHA512, SignatureAlgorithm.HMAC_SHA384),
    (KeyAlgorithm.ED25519, SignatureAlgorithm.ED25519),
    (KeyAlgorithm.RSA, SignatureAlgorithm.RSA_PKCS1V15_SHA256),
    (KeyAlgorithm.ECDSA_P256, SignatureAlgorithm.ECDSA_P256_SHA256),
    (KeyAlgorithm.API_KEY, SignatureAlgorithm.API_KEY),
]


@pytest.mark.parametrize(("kind", "algorithm"), _FORMS, ids=[str(algorithm) for _, algorithm in _FORMS])
def test_what_a_specimen_signs_verifies_under_its_material_and_under_no_other(
    kind: KeyAlgorithm, algorithm: SignatureAlgorithm
) -> None:
    key = specimen("alice", kind)
    signature = key.sign(SignatureForm(algorithm, Encoding.BASE64), b"the base")
    assert verifies(algorithm, key.material, b"the base", signature)
    if algorithm is not SignatureAlgorithm.API_KEY:
        assert not verifies(algorithm, key.material, b"another base", signature)
    if kind is not KeyAlgorithm.RSA:
        assert not verifies(algorithm, specimen("bob", kind).material, b"the base", signature)


@pytest.mark.parametrize("kind", list(KeyAlgorithm))
def test_a_specimen_is_the_same_at_every_making(kind: KeyAlgorithm) -> None:
    key = specimen("alice", kind)
    specimen.cache_clear()
    assert specimen("alice", kind) == key


def test_a_secret_in_base64_signs_as_what_it_stands_for() -> None:
    key = specimen("alice", KeyAlgorithm.HMAC_SHA256)
    plain, decoded = (
        key.sign(SignatureForm(SignatureAlgorithm.HMAC_SHA256, Encoding.HEX, secret), b"base")
        for secret in SecretFormat
    )
    assert plain != decoded
    assert Secret(key.material).reveal() == key.secret
    assert scheme().forms[KeyAlgorithm.HMAC_SHA256].secret is SecretFormat.UTF8
