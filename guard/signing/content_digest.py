"""Content-Digest (RFC 9530) in the one form that guard signs: exactly one member, `sha-256`, written canonically."""

import base64
import hashlib
import hmac
import re

_FORM = re.compile(rb"sha-256=:([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=):")


def make_content_digest(body: bytes) -> bytes:
    """The field's value for a body."""
    return b"sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()) + b":"


def parse_content_digest(value: bytes) -> bytes | None:
    """The SHA-256 that the field states, or None if it is anything but that."""
    match = _FORM.fullmatch(value)
    return base64.b64decode(match[1]) if match else None


def content_digest_matches(value: bytes, body: bytes) -> bool:
    """Whether the field is in canonical form and states the SHA-256 of these bytes."""
    stated = parse_content_digest(value)
    return stated is not None and hmac.compare_digest(stated, hashlib.sha256(body).digest())
