"""Secrets are not seen."""

import pickle

import pytest

from guard.model.keys import KeyAlgorithm, Secret
from tests.build import record


def test_a_secret_shows_itself_in_no_text() -> None:
    secret = Secret(b"canary-secret")
    assert "canary" not in f"{secret!r} {secret}"
    assert "canary" not in repr(record(material=secret))


def test_a_secret_is_not_compared_hashed_or_pickled() -> None:
    secret = Secret(b"canary-secret")
    with pytest.raises(TypeError):
        _ = secret == Secret(b"canary-secret")
    with pytest.raises(TypeError):
        hash(secret)
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_secret_is_revealed_only_when_asked() -> None:
    assert Secret(b"canary-secret").reveal() == b"canary-secret"


@pytest.mark.parametrize(
    ("algorithm", "symmetric"),
    [
        (KeyAlgorithm.HMAC_SHA256, True),
        (KeyAlgorithm.HMAC_SHA512, True),
        (KeyAlgorithm.API_KEY, True),
        (KeyAlgorithm.ED25519, False),
        (KeyAlgorithm.RSA, False),
        (KeyAlgorithm.ECDSA_P256, False),
    ],
)
def test_an_algorithm_knows_whether_the_verifier_holds_a_secret(algorithm: KeyAlgorithm, *, symmetric: bool) -> None:
    assert algorithm.symmetric is symmetric
