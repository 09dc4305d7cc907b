"""Spellings of a path and query that two programs may read in two ways (RFC 3986 sections 2 and 3.3).

There is one path: the bytes that arrived are what is matched, what is signed and what is forwarded. Nothing is decoded
or normalised, so whatever a backend might decode or normalise into another path is refused here (BYPASSES.md A01-A09).
"""

import re
import unicodedata
from urllib.parse import unquote_to_bytes

from guard.model.facts import Defect

_SEGMENT = rb"A-Za-z0-9\-._~!$&'()*+,=:@"

# Possessive, so that matching is linear whatever arrives (BYPASSES.md A42).
_PLAIN = re.compile(rb"(?:/(?!\.\.?(?:/|\Z))[" + _SEGMENT + rb"]++)*+/?")
_PATH_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@%/"
_QUERY_BYTES = bytes(byte for byte in range(0x21, 0x7F) if byte != ord("#"))

_TRIPLET = re.compile(rb"%([0-9A-Fa-f]{2})")
_TWICE_ENCODED = re.compile(rb"%25(?:[0-9A-Fa-f]{2}|[uU])")
_CONTROLS = frozenset(b"%02X" % byte for byte in (*range(0x20), 0x7F))
_SEPARATORS = frozenset({b"2F", b"5C", b"23", b"3B", b"3F"})
_UNRESERVED = frozenset(
    b"%02X" % byte for byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)


def path_defect(path: bytes) -> Defect | None:
    """Why the path may be read in two ways, or None. What passes contains any pchar of RFC 3986 but `;`."""
    if path and _PLAIN.fullmatch(path):
        return None
    fault = _spelling_fault(path) or _encoding_fault(path)
    return None if fault is None else Defect("request.bad_path", fault)


def query_defect(query: bytes | None) -> Defect | None:
    """Why the query cannot be forwarded as it is, or None. Visible ASCII but `#` passes: it is not interpreted here."""
    if query is None or not query.translate(None, _QUERY_BYTES):
        return None
    return Defect("request.malformed", "the query contains a byte that must be percent-encoded")


def _spelling_fault(path: bytes) -> str | None:
    if not path.startswith(b"/"):
        return "the path does not begin with a slash"
    if b"//" in path:
        return "the path contains an empty segment"
    if path.translate(None, _PATH_BYTES):
        return "the path contains a byte that does not belong into a path, or a semicolon"
    if any(segment in (b".", b"..") for segment in path.split(b"/")):
        return "the path contains a dot segment"
    return None


def _encoding_fault(path: bytes) -> str | None:
    found = _TRIPLET.findall(path)
    if len(found) != path.count(b"%"):
        return "the path contains a malformed percent-encoding"
    encoded = {digits.upper() for digits in found}
    if encoded & _SEPARATORS:
        return "the path contains a percent-encoded separator"
    if encoded & _CONTROLS:
        return "the path contains a percent-encoded control character"
    if encoded & _UNRESERVED:
        return "the path contains a percent-encoded character that needs no encoding"
    if _TWICE_ENCODED.search(path):
        return "the path is percent-encoded twice"
    return _text_fault(unquote_to_bytes(path))


def _text_fault(decoded: bytes) -> str | None:
    """What is left once each encoded character is known to be harmless on its own."""
    try:
        text = decoded.decode("utf-8")
    except UnicodeDecodeError:
        return "the path does not decode to UTF-8"
    if any(segment != segment.strip() for segment in text.split("/")):
        return "a segment of the path begins or ends with white space"
    if any(_turns_ascii(character) for character in set(text) if not character.isascii()):
        return "the path contains a character that some programs turn into an ASCII one"
    return None


def _turns_ascii(character: str) -> bool:
    """Whether compatibility or case folding makes ASCII of it, as of a full-width dot, a dotless i or a Kelvin sign."""
    upper = character.upper()
    return any(part.isascii() for part in unicodedata.normalize("NFKC", character)) or (
        len(upper) == 1 and upper.isascii()
    )
