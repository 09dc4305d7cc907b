"""The key is that of RFC 8037 appendix A; what it signs is verified by another library than the one that signs."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from guard.model.keys import Secret
from guard.signing.assertion import AssertionKey, Claims

_SEED = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
_X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
_THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.fixture
def key() -> AssertionKey:
    return _key()


def _key() -> AssertionKey:
    return AssertionKey(Secret(_decoded(_SEED)))


def _claims(**changes: Any) -> Claims:
    fields: dict[str, Any] = {
        "iss": "guard",
        "aud": "exchange",
        "jti": "req_1",
        "iat": 1_900_000_000,
        "exp": 1_900_000_030,
        "htm": "POST",
        "target": "/v1/orders?x=1",
    }
    return Claims(**{**fields, **changes})


def _verified(assertion: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, if the signature is that of the key in RFC 8037."""
    head, payload, signature = assertion.decode("ascii").split(".")
    Ed25519PublicKey.from_public_bytes(_decoded(_X)).verify(_decoded(signature), f"{head}.{payload}".encode())
    return json.loads(_decoded(head)), json.loads(_decoded(payload))


def test_public_key_and_its_id_are_those_of_rfc_8037(key: AssertionKey) -> None:
    assert key.id == _THUMBPRINT
    assert key.public_jwk() == {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": _X,
        "kid": _THUMBPRINT,
        "alg": "EdDSA",
        "use": "sig",
    }
    pem = load_pem_public_key(key.public_pem().encode())
    assert isinstance(pem, Ed25519PublicKey)
    assert pem.public_bytes_raw() == _decoded(_X)


def test_assertion_says_what_it_is_who_signed_it_and_every_claim(key: AssertionKey) -> None:
    head, claims = _verified(key.assertion(_claims(sub="acme", key="k1", scope="read trade", digest="sha-256=:x:")))
    assert head == {"alg": "EdDSA", "kid": _THUMBPRINT, "typ": "guard-assertion+jwt"}
    assert claims == {
        "iss": "guard",
        "aud": "exchange",
        "jti": "req_1",
        "sub": "acme",
        "key": "k1",
        "scope": "read trade",
        "iat": 1_900_000_000,
        "exp": 1_900_000_030,
        "htm": "POST",
        "target": "/v1/orders?x=1",
        "digest": "sha-256=:x:",
    }


def test_what_is_not_known_is_not_claimed(key: AssertionKey) -> None:
    _, claims = _verified(key.assertion(_claims()))
    assert claims.keys() == {"iss", "aud", "jti", "iat", "exp", "htm", "target"}


def test_key_without_scopes_claims_no_scopes_rather_than_nothing(key: AssertionKey) -> None:
    _, claims = _verified(key.assertion(_claims(sub="acme", key="k1", scope="")))
    assert claims["scope"] == ""


def test_same_claims_sign_to_the_same_bytes(key: AssertionKey) -> None:
    assert key.assertion(_claims()) == _key().assertion(_claims())


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.text(alphabet=st.characters(max_codepoint=255)))
def test_whatever_is_claimed_is_one_field_value_and_comes_out_as_it_went_in(account: str, target: str) -> None:
    assertion = _key().assertion(_claims(sub=account, target=target))
    assert set(assertion) <= set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    _, claims = _verified(assertion)
    assert (claims["sub"], claims["target"]) == (account, target)


def test_repr_shows_no_secret(key: AssertionKey) -> None:
    assert repr(key) == f"AssertionKey({_THUMBPRINT})"
