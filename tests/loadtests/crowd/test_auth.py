"""Requests as a client library would sign them."""

import base64
import hashlib
import hmac

from guard.model.names import UnixMs
from loadtests.crowd.auth import forged, fresh_nonce, signed
from loadtests.crowd.keys import LoadKey

KEY = LoadKey("k1", "s3cret", "acme")
NOW = UnixMs(1_900_000_000_000)
DIGEST = "sha-256=:" + base64.b64encode(hashlib.sha256(b"{}").digest()).decode() + ":"
BASE = f"guard-v1\nk1\n1900000000000\n\nn0nce\nPOST\n127.0.0.1:8080\n/v1/orders\n{DIGEST}"


def test_the_signature_is_the_one_that_docs_signing_describes() -> None:
    request = signed(KEY, "POST", "/v1/orders", b"{}", authority="127.0.0.1:8080", now=NOW, nonce="n0nce")
    assert request.fields == {
        "Guard-Key": "k1",
        "Guard-Timestamp": "1900000000000",
        "Guard-Nonce": "n0nce",
        "Content-Digest": DIGEST,
        "Guard-Signature": base64.b64encode(hmac.digest(b"s3cret", BASE.encode(), "sha256")).decode(),
    }
    assert (request.method, request.target, request.body) == ("POST", "/v1/orders", b"{}")
    assert (request.key_id, request.nonce) == ("k1", "n0nce")


def test_a_forgery_names_the_key_and_has_another_signature() -> None:
    honest = signed(KEY, "GET", "/v1/orders", authority="a", now=NOW, nonce="n0nce")
    false = forged(KEY, "GET", "/v1/orders", authority="a", now=NOW, nonce="n0nce")
    assert false.fields["Guard-Key"] == "k1"
    assert {name for name in honest.fields if honest.fields[name] != false.fields[name]} == {"Guard-Signature"}


def test_a_nonce_has_128_bits_and_none_is_like_another() -> None:
    nonces = {fresh_nonce() for _ in range(1000)}
    assert len(nonces) == 1000
    assert {len(base64.urlsafe_b64decode(nonce + "==")) for nonce in nonces} == {16}
