"""Content-Digest (RFC 9530) in the one form that guard signs: exactly one member, `sha-256`, written canonically."""

import base64
import hashlib
import hmac
import re

_FORM = re.compile(rb"sha-256=:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=:")


def make_content_digest(body: bytes) -> bytes:
    """The field's value for a body."""
    return b"sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()) + b":"


def is_content_digest(value: bytes) -> bool:
    """Whether the field states a SHA-256, and nothing but that."""
    return _FORM.fullmatch(value) is not None


def content_digest_matches(value: bytes, body: bytes) -> bool:
    """Whether the field states the SHA-256 of these bytes. There is one way to write it: so compare that."""
    return hmac.compare_digest(value, make_content_digest(body))
