"""What the sealing key's file says. At first it is one root, from which everything is derived (HKDF, RFC 5869); once
secrets were resealed it lists what must not change, and the keys that seal, newest first:

    guard-sealing-key 2
    pepper BASE64
    log-tag BASE64
    seals BASE64
    seals BASE64

What was derived from the first root is written down, not the root: dropping an old key's line forgets the old key.
"""

import base64
import binascii

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32

_TITLE = b"guard-sealing-key 2"
_PEPPER, _LOG_TAG, _SEALS = b"pepper", b"log-tag", b"seals"


class Roots(msgspec.Struct, frozen=True):
    """What the file holds. `seals` are the roots of key-encryption keys, newest first; there is at least one."""

    pepper: bytes
    log_tag: bytes
    seals: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Roots({len(self.seals)})"


def roots_of(root: bytes) -> Roots:
    """Everything that one root stands for."""
    return Roots(derived(root, b"guard api-key pepper v1"), derived(root, b"guard log tag v1"), (root,))


def read_roots(content: bytes) -> Roots | None:
    """What a file says, in either form; None if it is no sealing key."""
    lines = content.strip().split(b"\n")
    if len(lines) == 1:
        root = _key(lines[0])
        return None if root is None else roots_of(root)
    if lines[0] != _TITLE:
        return None
    names, _, texts = zip(*(line.partition(b" ") for line in lines[1:]), strict=True)
    keys = [key for key in map(_key, texts) if key is not None]
    listed = len(keys) == len(texts) and names[:2] == (_PEPPER, _LOG_TAG) and set(names[2:]) == {_SEALS}
    return Roots(keys[0], keys[1], tuple(keys[2:])) if listed else None


def written(roots: Roots) -> bytes:
    """The file that says so, in the second form."""
    entries = [(_PEPPER, roots.pepper), (_LOG_TAG, roots.log_tag), *((_SEALS, root) for root in roots.seals)]
    return b"\n".join([_TITLE, *(name + b" " + base64.b64encode(key) for name, key in entries), b""])


def derived(root: bytes, purpose: bytes, length: int = KEY_BYTES) -> bytes:
    """Bytes for one purpose, which tell nothing of the root."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(root)


def _key(text: bytes) -> bytes | None:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return key if len(key) == KEY_BYTES else None
