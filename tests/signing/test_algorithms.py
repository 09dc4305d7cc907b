"""The published vectors of Project Wycheproof, RFC 4231 and RFC 8032 through the room's own door, and bad keys."""

import ast
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from guard.signing.algorithms import api_key_hash, verifies
from guard.signing.scheme import SignatureAlgorithm as A

_ROOT = Path(__file__).parents[2]
_CRYPTO = Path(os.environ.get("GUARD_PUBLIC_VECTORS", _ROOT / "../shared/vectors/public")) / "crypto"
_WYCHEPROOF = "the Wycheproof vectors are not at hand (C2SP/wycheproof; GUARD_PUBLIC_VECTORS)"
_DER, _SPKI = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo


def _load(name: str, skipped: str) -> Any:
    path = _CRYPTO / name
    if not path.exists():
        pytest.skip(skipped)
    return json.loads(path.read_text())


def _cases(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for group in _load(f"wycheproof/{name}", _WYCHEPROOF)["testGroups"]:
        for case in group["tests"]:
            yield group, case


@pytest.mark.parametrize("name", ["hmac_sha256", "hmac_sha384", "hmac_sha512"])
def test_wycheproof_hmac(name: str) -> None:
    algorithm, judged = A(name.replace("_", "-")), 0
    for group, case in _cases(f"{name}_test.json"):
        whole = group["tagSize"] == int(name[-3:])
        expected = case["result"] == "valid" and whole and case["key"] != ""
        verdict = verifies(
            algorithm, bytes.fromhex(case["key"]), bytes.fromhex(case["msg"]), bytes.fromhex(case["tag"])
        )
        assert verdict is expected, (case["tcId"], case["comment"])
        judged += 1
    assert judged > 100


def test_wycheproof_ed25519() -> None:
    judged = 0
    for group, case in _cases("ed25519_test.json"):
        key = bytes.fromhex(group["publicKey"]["pk"])
        verdict = verifies(A.ED25519, key, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
        assert verdict is (case["result"] == "valid"), (case["tcId"], case["comment"])
        judged += 1
    assert judged > 100


def test_wycheproof_rsa() -> None:
    judged = 0
    for group, case in _cases("rsa_signature_2048_sha256_test.json"):
        key = bytes.fromhex(group["publicKeyDer"])
        verdict = verifies(A.RSA_PKCS1V15_SHA256, key, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
        if case["result"] != "acceptable":  # a missing NULL in the digest's ASN.1: either answer is right
            assert verdict is (case["result"] == "valid"), (case["tcId"], case["comment"])
        judged += 1
    assert judged > 200


def test_wycheproof_ecdsa() -> None:
    judged = 0
    for group, case in _cases("ecdsa_secp256r1_sha256_p1363_test.json"):
        key = bytes.fromhex(group["publicKeyDer"])
        verdict = verifies(A.ECDSA_P256_SHA256, key, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
        assert verdict is (case["result"] == "valid"), (case["tcId"], case["comment"])
        judged += 1
    assert judged > 200


def test_rfc_4231() -> None:
    judged = 0
    for case in _load("rfc4231_hmac.json", "the RFC 4231 vectors are not at hand (GUARD_PUBLIC_VECTORS)")["tests"]:
        if case["alg"] in list(A) and not case["truncated"]:
            key, message, mac = (bytes.fromhex(case[part]) for part in ("key", "msg", "mac"))
            assert verifies(A(case["alg"]), key, message, mac)
            assert not verifies(A(case["alg"]), key, message + b"\0", mac)
            judged += 1
    assert judged >= 18


def test_rfc_8032() -> None:
    for case in _load("rfc8032_ed25519.json", "the RFC 8032 vectors are not at hand (GUARD_PUBLIC_VECTORS)")["tests"]:
        key, message, signature = (bytes.fromhex(case[part]) for part in ("public_key", "message", "signature"))
        assert verifies(A.ED25519, key, message, signature)
        assert not verifies(A.ED25519, key, message + b"\0", signature)


@pytest.mark.parametrize("algorithm", list(A))
@pytest.mark.parametrize("material", [b"", b"\0", bytes(32), b"\xff" * 32, b"x" * 64, b"x" * 300])
def test_no_key_at_all_verifies_nothing_and_raises_nothing(algorithm: A, material: bytes) -> None:
    for signature in (None, b"", bytes(32), bytes(64), b"\x5a" * 64, b"\x5a" * 256, bytes(5000)):
        assert not verifies(algorithm, material, b"message", signature)


def test_an_empty_secret_verifies_nothing() -> None:
    """BYPASSES.md A30."""
    mac = bytes.fromhex("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
    assert not verifies(A.HMAC_SHA256, b"", b"", mac)


def test_a_public_key_is_no_hmac_secret_and_no_key_of_another_kind() -> None:
    """BYPASSES.md A29: algorithm confusion. The kind of key decides, so a DER key is never taken for another one."""
    p256 = ec.generate_private_key(ec.SECP256R1())
    message, der = b"message", p256.public_key().public_bytes(_DER, _SPKI)
    assert not verifies(A.RSA_PKCS1V15_SHA256, der, message, b"\x01" * 256)
    p384 = ec.generate_private_key(ec.SECP384R1()).public_key().public_bytes(_DER, _SPKI)
    assert not verifies(A.ECDSA_P256_SHA256, p384, message, b"\x01" * 64)
    assert not verifies(
        A.ECDSA_P256_SHA256,
        ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(_DER, _SPKI),
        message,
        b"\x01" * 64,
    )


def test_a_key_on_another_curve_verifies_nothing_though_it_signed() -> None:
    """Its halves have the same 32 bytes."""
    other = ec.generate_private_key(ec.SECP256K1())
    r, s = decode_dss_signature(other.sign(b"message", ec.ECDSA(SHA256())))
    halves = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert not verifies(A.ECDSA_P256_SHA256, other.public_key().public_bytes(_DER, _SPKI), b"message", halves)


def test_a_small_rsa_key_verifies_nothing_though_it_signed() -> None:
    small = rsa.generate_private_key(65537, 1024)  # noqa: S505  # too small is the point
    signature = small.sign(b"message", PKCS1v15(), SHA256())
    assert not verifies(A.RSA_PKCS1V15_SHA256, small.public_key().public_bytes(_DER, _SPKI), b"message", signature)


def test_what_stands_in_for_a_key_and_a_signature_verifies_nothing_even_together() -> None:
    """Whoever reads the source can sign as the stand-in: over its own message, and over any other."""
    nobody = SigningKey(bytes(32))
    for message in (b"guard: nobody's message", b"message"):
        assert not verifies(A.ED25519, b"", message, nobody.sign(message).signature)
        assert not verifies(A.ED25519, b"", message, None)
    signed = ec.derive_private_key(1, ec.SECP256R1()).sign(b"message", ec.ECDSA(SHA256()))
    halves = b"".join(half.to_bytes(32, "big") for half in decode_dss_signature(signed))
    assert not verifies(A.ECDSA_P256_SHA256, b"", b"message", halves)


_PEPPER, _SECRET = b"p" * 32, b"gs_" + b"0aZ" * 14 + b"9" + b"000000"
_MATERIAL = _PEPPER + api_key_hash(_PEPPER, _SECRET)


def test_an_api_key_is_known_by_its_keyed_hash() -> None:
    # Computed with `openssl dgst -sha256 -hmac`.
    assert api_key_hash(_PEPPER, b"secret").hex() == "9e59988ccb0fa672c1d9cfa4460a47ccef56cb8275a0fa369b0a1a467f133545"
    assert verifies(A.API_KEY, _MATERIAL, b"", _SECRET)
    assert not verifies(A.API_KEY, b"q" * 32 + _MATERIAL[32:], b"", _SECRET)
    with pytest.raises(ValueError, match="32 bytes"):
        api_key_hash(b"short", b"secret")


def test_no_api_key_is_empty() -> None:
    assert not verifies(A.API_KEY, _PEPPER + api_key_hash(_PEPPER, b""), b"", b"")
    assert not verifies(A.API_KEY, _PEPPER + api_key_hash(_PEPPER, b""), b"", None)


@settings(max_examples=300)
@given(st.data())
def test_no_prefix_suffix_or_truncation_of_an_api_key_is_accepted(data: st.DataObject) -> None:
    """BYPASSES.md A47, a sample of it; the exhaustive short ones follow."""
    extra = data.draw(st.binary(min_size=1, max_size=3))
    cut = data.draw(st.integers(1, len(_SECRET)))
    for near in (_SECRET + extra, extra + _SECRET, _SECRET[:-cut], _SECRET[cut:], _SECRET[:-cut] + extra):
        if near != _SECRET:
            assert not verifies(A.API_KEY, _MATERIAL, b"", near)


def test_no_single_or_double_byte_beside_an_api_key_is_accepted() -> None:
    tried = 0
    for number in range(256 + 16_384):
        extra = number.to_bytes(1 if number < 256 else 2, "big")
        assert not verifies(A.API_KEY, _MATERIAL, b"", _SECRET + extra)
        assert not verifies(A.API_KEY, _MATERIAL, b"", extra + _SECRET)
        tried += 2
    assert tried > 20_000


def test_no_secret_bytes_are_compared_with_an_operator() -> None:
    """BYPASSES.md A33, statically: in this room `==` and `!=` never meet a secret, a signature, a digest or a hash."""
    hot = (
        "secret",
        "signature",
        "material",
        "digest",
        "hashed",
        "expected",
        "mac",
        "pepper",
        "stated",
        "offered",
        "token",
    )
    found = []
    for path in sorted((_ROOT / "guard" / "signing").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
                nodes = (node.left, *node.comparators)
                sides = [ast.unparse(side).lower() for side in nodes]
                constant = any(isinstance(side, ast.Constant) for side in nodes) or all(
                    "len(" in side for side in sides[:1]
                )
                if not constant and any(word in side for side in sides for word in hot):
                    found.append(f"{path.name}:{node.lineno} {ast.unparse(node)}")
    assert found == []
