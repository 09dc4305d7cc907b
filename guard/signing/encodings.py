"""Strict decoders: each text has one reading and each reading one text (hexadecimal case excepted). RFC 4648.

Python's own decoders are lenient: `bytes.fromhex` skips blanks, base64 ignores what lies in the tail's unused bits.
Both would let one signature be written in many ways.
"""

import binascii
import re
from urllib.parse import unquote_to_bytes

from guard.signing.scheme import Encoding

_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})*+")
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?+")
_BASE64URL = re.compile(rb"(?:[A-Za-z0-9_-]{4})*+(?:[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048]|[A-Za-z0-9_-][AQgw])?+")
_PERCENT = re.compile(rb"(?:[^%]|%[0-9A-Fa-f]{2})*+", re.DOTALL)


def decode(encoding: Encoding, text: bytes) -> bytes | None:
    """The bytes that `text` stands for, or None if it is not exactly such a text."""
    if encoding is Encoding.BASE64:
        return decode_base64(text)
    if encoding is Encoding.HEX:
        return binascii.unhexlify(text) if _HEX.fullmatch(text) else None
    if encoding is Encoding.BASE64URL:
        return binascii.a2b_base64(_padded(text)) if _BASE64URL.fullmatch(text) else None
    return text


def decode_base64(text: bytes) -> bytes | None:
    """Standard alphabet, padded, no white space, unused bits zero (RFC 4648 section 3.5)."""
    return binascii.a2b_base64(text) if _BASE64.fullmatch(text) else None


def percent_decode(text: bytes) -> bytes | None:
    """Each `%HH` once (RFC 3986 section 2.1); None if a percent sign stands alone. A plus sign is a plus sign."""
    return unquote_to_bytes(text) if _PERCENT.fullmatch(text) else None


def _padded(text: bytes) -> bytes:
    return text.translate(bytes.maketrans(b"-_", b"+/")) + b"=" * (-len(text) % 4)
