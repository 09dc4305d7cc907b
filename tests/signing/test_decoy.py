import base64

from hypothesis import given
from hypothesis import strategies as st

from guard.model.claims import Claim
from guard.model.keys import KeyAlgorithm
from guard.model.names import KeyId
from guard.signing.decoy import decoy
from guard.signing.verifying import signature_verifies
from tests.build import facts, scheme

_ALL = frozenset(KeyAlgorithm)


def test_one_id_always_meets_the_same_kind_of_key() -> None:
    assert decoy(scheme("binance"), KeyId("x"), _ALL).algorithm is decoy(scheme("binance"), KeyId("x"), _ALL).algorithm


def test_all_kinds_that_are_allowed_occur_and_no_other() -> None:
    met = {decoy(scheme("binance"), KeyId(f"k{n}"), _ALL).algorithm for n in range(100)}
    assert met == {KeyAlgorithm.HMAC_SHA256, KeyAlgorithm.ED25519, KeyAlgorithm.RSA}
    only = frozenset({KeyAlgorithm.RSA, KeyAlgorithm.API_KEY})
    assert {decoy(scheme("binance"), KeyId(f"k{n}"), only).algorithm for n in range(20)} == {KeyAlgorithm.RSA}


def test_a_route_that_allows_none_of_the_schemes_kinds_still_meets_a_decoy() -> None:
    assert decoy(scheme(), KeyId("x"), frozenset()).algorithm in scheme().algorithms


def test_a_decoy_gives_nothing() -> None:
    record = decoy(scheme(), KeyId("x"), _ALL)
    assert (record.id, record.lineage, record.account, record.scopes) == ("x", "x", "", frozenset())


@given(st.sampled_from(["guard-v1", "api-key", "binance"]), st.text(min_size=1, max_size=9), st.binary(max_size=64))
def test_nothing_verifies_under_a_decoy(name: str, key_id: str, signature: bytes) -> None:
    record = decoy(scheme(name), KeyId(key_id), _ALL)
    for offered in (signature, signature.hex().encode(), base64.b64encode(signature)):
        claim = Claim(scheme=name, key_id=KeyId(key_id), signature=offered)
        assert not signature_verifies(scheme(name), facts(), claim, record)


def test_not_even_what_an_empty_secret_signs() -> None:
    """The material is empty, and whoever reads the source knows it."""
    empty = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"  # HMAC-SHA256("", "")
    record = decoy(scheme("binance"), KeyId("x"), frozenset({KeyAlgorithm.HMAC_SHA256}))
    claim = Claim(scheme="binance", key_id=KeyId("x"), signature=empty.encode())
    assert not signature_verifies(scheme("binance"), facts(), claim, record)
