"""Is it signed by the holder of this key: the signature base of a message, and whether the signature fits it."""

import hashlib

from guard.model.claims import Claim
from guard.model.facts import Facts
from guard.model.keys import KeyRecord
from guard.signing import algorithms
from guard.signing.content_digest import content_digest_matches
from guard.signing.decoy import decoy
from guard.signing.encodings import decode, decode_base64
from guard.signing.functions import BaseFault
from guard.signing.scheme import Scheme, SecretFormat, SignatureForm


def signature_base(scheme: Scheme, facts: Facts, claim: Claim) -> bytes:
    """The bytes that the scheme signs; empty for a bare secret, which signs nothing.

    Raises `functions.BaseFault` if the message lacks what the base is made of: then no signature could have verified.
    """
    return scheme.build_base(facts, claim.values)


def signature_verifies(scheme: Scheme, facts: Facts, claim: Claim, record: KeyRecord) -> bool:
    """Whether the holder of `record` made the claim's signature over this message. Never raises on hostile input.

    The key's kind says which algorithm counts. Where anything is missing the cryptographic work is still done, on a
    stand-in, so that a No costs the same for every reason.
    """
    if claim.late or record.algorithm not in scheme.forms:
        record = decoy(scheme, record.id, scheme.algorithms)
    form = scheme.forms[record.algorithm]
    material = _opened(form, record.material.reveal())
    try:
        message = signature_base(scheme, facts, claim)
    except BaseFault:
        message, material = b"", b""
    return algorithms.verifies(form.algorithm, material, message, decode(form.encoding, claim.signature))


def replay_identity(scheme: Scheme, facts: Facts, claim: Claim) -> bytes:
    """What makes a verified message the same as another: its nonce, or SHA-256 of its signature base.

    Never the signature's bytes, which can be written in several ways (SIGNING.md section 9.4). Says nothing where the
    scheme's guarantee is `none`.
    """
    if claim.nonce is not None:
        return claim.nonce
    return hashlib.sha256(signature_base(scheme, facts, claim)).digest()


def body_matches(scheme: Scheme, facts: Facts) -> bool:
    """Whether the body that was read is the one that was signed, for schemes that sign a Content-Digest in its place.

    True where the base covers the body itself: then verifying says it. A body that was not read does not match.
    """
    if not scheme.has_content_digest:
        return True
    stated = facts.values(b"content-digest")
    if not stated:
        return facts.body == b""
    return len(stated) == 1 and facts.body is not None and content_digest_matches(stated[0], facts.body)


def _opened(form: SignatureForm, material: bytes) -> bytes:
    return material if form.secret is SecretFormat.UTF8 else decode_base64(material) or b""
