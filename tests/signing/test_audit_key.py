"""The seed and public key are those of RFC 8032 section 7.1, test 1; another library verifies what is signed."""

import base64
import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from guard.model.keys import Secret
from guard.signing.audit_key import AuditKey, key_id_of, public_keys_of

_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


def test_the_public_half_and_its_id_follow_from_the_seed() -> None:
    key = AuditKey(Secret(_SEED))
    assert key.public == _PUBLIC
    assert key.id == key_id_of(_PUBLIC) == hashlib.sha256(_PUBLIC).hexdigest()[:16]
    assert repr(key) == f"AuditKey({key.id})"


def test_what_is_signed_verifies_under_the_printed_key_and_nothing_else_does() -> None:
    key = AuditKey(Secret(_SEED))
    public = load_pem_public_key(key.public_pem().encode())
    assert isinstance(public, Ed25519PublicKey)
    signature = base64.b64decode(key.signature(b"document"))
    public.verify(signature, b"document")
    with pytest.raises(InvalidSignature):
        public.verify(signature, b"documents")


def test_public_keys_are_found_by_their_id_in_any_of_their_forms() -> None:
    pem = AuditKey(Secret(_SEED)).public_pem().encode()
    other = AuditKey(Secret(bytes(32)))
    assert public_keys_of([pem, other.public.hex().encode()]) == {key_id_of(_PUBLIC): _PUBLIC, other.id: other.public}
    with pytest.raises(ValueError, match="no public key"):
        public_keys_of([b"rubbish"])
