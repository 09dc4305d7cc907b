"""The functions that a signature base may name: the whole list, and nothing else can be called.

Each is pure and takes bytes. Those on documents take the parsed place (a JSON pointer) instead of their first bytes.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from types import MappingProxyType

import msgspec

from guard.signing.encodings import decode_base64, percent_decode
from guard.signing.parameters import without as without_parameter


class BaseFault(ValueError):  # noqa: N818  # faults are of the text, errors of the program
    """The message lacks or garbles something that its signature base is made of. Then no signature can verify."""


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """How many arguments a function takes, and from which one on they must be texts or numbers written in the template.

    `most` None: any number.
    """

    apply: Callable[..., bytes]
    least: int
    most: int | None
    literal_from: int | None = None


def _sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _sha512(*parts: bytes) -> bytes:
    return hashlib.sha512(b"".join(parts)).digest()


def _hex(content: bytes) -> bytes:
    return content.hex().encode()


def _b64decode(text: bytes) -> bytes:
    return _sound(decode_base64(text))


def _hmac_sha256(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _concat(*parts: bytes) -> bytes:
    return b"".join(parts)


def _join(separator: bytes, *parts: bytes) -> bytes:
    return separator.join(parts)


def _urldecode(text: bytes) -> bytes:
    return _sound(percent_decode(text))


def _strip_prefix(text: bytes, prefix: bytes) -> bytes:
    return text.removeprefix(prefix)


def _prefix_if(prefix: bytes, text: bytes) -> bytes:
    return prefix + text if text else b""


def _split(text: bytes, separator: bytes, index: bytes) -> bytes:
    parts = text.split(separator)
    if int(index) >= len(parts):
        raise BaseFault("a value has fewer parts than its scheme names")
    return parts[int(index)]


def _sound(decoded: bytes | None) -> bytes:
    if decoded is None:
        raise BaseFault("a value is not encoded as its scheme demands")
    return decoded


FUNCTIONS = MappingProxyType(
    {
        "sha256": Function(apply=_sha256, least=1, most=None),
        "sha512": Function(apply=_sha512, least=1, most=None),
        "hex": Function(apply=_hex, least=1, most=1),
        "base64": Function(apply=base64.b64encode, least=1, most=1),
        "b64decode": Function(apply=_b64decode, least=1, most=1),
        "hmac_sha256": Function(apply=_hmac_sha256, least=2, most=2),
        "concat": Function(apply=_concat, least=1, most=None),
        "join": Function(apply=_join, least=2, most=None),
        "upper": Function(apply=bytes.upper, least=1, most=1),
        "lower": Function(apply=bytes.lower, least=1, most=1),
        "urldecode": Function(apply=_urldecode, least=1, most=1),
        "strip_prefix": Function(apply=_strip_prefix, least=2, most=2, literal_from=1),
        "prefix_if": Function(apply=_prefix_if, least=2, most=2),
        "without": Function(apply=without_parameter, least=2, most=2, literal_from=1),
        "split": Function(apply=_split, least=3, most=3, literal_from=1),
    }
)

DOCUMENT_FUNCTIONS = MappingProxyType({"sorted_pairs": None, "raw_json": 1})
"""Functions on a place in a JSON document, and how many arguments they take at most."""
