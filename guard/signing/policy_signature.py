"""Signed policies: who vouches for exactly these files. Ed25519 (RFC 8032) over their names and the SHA-256 of each.

The signature is data in a file of its own beside them: the signer's id, the time, and 64 bytes. What it covers is not
written in it, so that nobody can be content with what it says of itself.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from guard.signing.audit_key import AuditKey, public_keys_of

SIGNATURE_FILE: Final = "policies.sig"

_CONTEXT: Final = b"guard policies 1\n"
_PEM = re.compile(rb"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL)


class PolicySignature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `policies.sig` says, in JSON. `signer` is the id of a public key; `signature` is in base64."""

    version: Literal[1] = 1
    signer: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")]
    signed_at_ms: Annotated[int, msgspec.Meta(ge=0)]
    signature: Annotated[str, msgspec.Meta(max_length=88)]


class NotSigned(Exception):  # noqa: N818  # files that nobody vouches for, not an error of ours
    """The signature does not count. The text says why."""


def sign_policies(files: Mapping[str, bytes], key: AuditKey, signed_at_ms: int) -> bytes:
    """The content of `policies.sig` for these files, by name."""
    signature = key.signature(_covered(files, key.id, signed_at_ms)).decode()
    signed = PolicySignature(signer=key.id, signed_at_ms=signed_at_ms, signature=signature)
    return msgspec.json.format(msgspec.json.encode(signed), indent=2) + b"\n"


def verified_policies(content: bytes, files: Mapping[str, bytes], signers: Mapping[str, bytes]) -> PolicySignature:
    """The signature, if one of `signers` made it over exactly these files. Raises NotSigned; whatever `content` is."""
    try:
        signed = msgspec.json.decode(content, type=PolicySignature)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NotSigned("it cannot be read") from None
    public = signers.get(signed.signer)
    if public is None:  # knockout: policy_signer_is_known
        raise NotSigned(f"{signed.signer} is none of those who may sign")
    try:
        raw = base64.b64decode(signed.signature, validate=True)
        VerifyKey(public).verify(_covered(files, signed.signer, signed.signed_at_ms), raw)
    except (binascii.Error, CryptoError, ValueError):
        raise NotSigned("it is not for these files: one was changed, added or taken away since") from None
    return signed


def signers_of(content: bytes) -> Mapping[str, bytes]:
    """Public keys by id: PEM blocks, or one a line in base64 or hexadecimal. Raises ValueError with a sentence."""
    blocks = _PEM.findall(content) if b"-----BEGIN" in content else []
    lines = [line.strip() for line in _PEM.sub(b"", content).splitlines()]
    found = public_keys_of([*blocks, *(line for line in lines if line and not line.startswith(b"#"))])
    if not found:
        raise ValueError("there is no public key in it")
    return found


def _covered(files: Mapping[str, bytes], signer: str, signed_at_ms: int) -> bytes:
    hashed = sorted((name, hashlib.sha256(content).hexdigest()) for name, content in files.items())
    return _CONTEXT + msgspec.json.encode([signer, signed_at_ms, hashed])
