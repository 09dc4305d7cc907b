"""Signed policies: exactly these files, by one of those who may; whatever else the signature's file says is nothing."""

import base64
import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from guard.model.keys import Secret
from guard.signing.audit_key import AuditKey
from guard.signing.policy_signature import NotSigned, sign_policies, signers_of, verified_policies

KEY, STRANGER = AuditKey(Secret(b"k" * 32)), AuditKey(Secret(b"s" * 32))
SIGNERS = {KEY.id: KEY.public}
FILES = {"b.yaml": b"two", "a.yaml": b"one"}
AT = 1_800_000_000_000
SIGNED = sign_policies(FILES, KEY, AT)


def test_what_is_signed_is_the_signer_the_time_and_the_digest_of_each_name() -> None:
    one, two = hashlib.sha256(b"one").hexdigest(), hashlib.sha256(b"two").hexdigest()
    covered = f'guard policies 1\n["{KEY.id}",{AT},[["a.yaml","{one}"],["b.yaml","{two}"]]]'
    written = msgspec.json.decode(SIGNED)
    assert (written["version"], written["signer"], written["signed_at_ms"]) == (1, KEY.id, AT)
    expected = SigningKey(b"k" * 32).sign(covered.encode()).signature
    assert base64.b64decode(written["signature"]) == expected
    assert verified_policies(SIGNED, FILES, SIGNERS).signed_at_ms == AT


@pytest.mark.parametrize(
    "files",
    [
        {"a.yaml": b"one"},
        {**FILES, "c.yaml": b""},
        {**FILES, "a.yaml": b"One"},
        {"b.yaml": b"one", "a.yaml": b"two"},
        {"b.yaml": b"two", "c.yaml": b"one"},
        {},
    ],
)
def test_a_file_more_or_less_or_changed_or_renamed_breaks_it(files: dict[str, bytes]) -> None:
    with pytest.raises(NotSigned, match="not for these files"):
        verified_policies(SIGNED, files, SIGNERS)


def test_a_stranger_signs_for_nobody_and_a_time_or_signer_cannot_be_put_in_later() -> None:
    with pytest.raises(NotSigned, match=f"{STRANGER.id} is none of those who may sign"):
        verified_policies(sign_policies(FILES, STRANGER, AT), FILES, SIGNERS)
    later = SIGNED.replace(b"%d" % AT, b"%d" % (AT + 1))
    with pytest.raises(NotSigned, match="not for these files"):
        verified_policies(later, FILES, SIGNERS)
    posing = sign_policies(FILES, STRANGER, AT).replace(STRANGER.id.encode(), KEY.id.encode())
    with pytest.raises(NotSigned, match="not for these files"):
        verified_policies(posing, FILES, SIGNERS)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"[" * 100_000, SIGNED[:-5], b'{"a":1,' + SIGNED.lstrip()[1:]])
def test_what_cannot_be_read_signs_nothing(content: bytes) -> None:
    with pytest.raises(NotSigned, match="cannot be read"):
        verified_policies(content, FILES, SIGNERS)


@given(
    st.binary()
    | st.integers(0, len(SIGNED) - 1).flatmap(
        lambda at: st.binary(max_size=4).map(lambda put: SIGNED[:at] + put + SIGNED[at + 1 :])
    )
)
def test_whatever_is_there_either_verifies_or_is_refused(content: bytes) -> None:
    try:
        found = verified_policies(content, FILES, SIGNERS)
    except NotSigned:
        return
    assert (found.signer, found.signed_at_ms) == (KEY.id, AT)


def test_signers_are_read_from_pem_and_from_lines_and_a_private_key_is_refused() -> None:
    line = base64.b64encode(STRANGER.public)
    assert signers_of(b"# security\n" + KEY.public_pem().encode() + b"\n" + line + b"\n") == {
        KEY.id: KEY.public,
        STRANGER.id: STRANGER.public,
    }
    with pytest.raises(ValueError, match="no public key"):
        signers_of(b"# nobody yet\n")
    with pytest.raises(ValueError, match="PRIVATE key"):
        signers_of(b"-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n")
