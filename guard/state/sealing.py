"""Secrets at rest: envelope encryption with AES-256-GCM under a key-encryption key that lives in one file.

Each sealed text has a data key of its own, wrapped by the key-encryption key; both layers are bound to the key id and
the purpose, so a sealed text cannot be moved to another record. The format starts with a version and with the id of
the key-encryption key, so both can change later. The file is the only root secret: everything else is derived from it
(HKDF, RFC 5869). This room knows no database.

    version (1) | KEK id (8) | nonce (12) | wrapped data key (48) | nonce (12) | sealed text and tag
"""

import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from guard.state.faults import StateError
from guard.state.key_file import KeyFile

_VERSION = b"\x01"
_ID_BYTES, _NONCE_BYTES, _KEY_BYTES, _TAG_BYTES = 8, 12, 32, 16
_WRAPPED_AT = 1 + _ID_BYTES + _NONCE_BYTES
_TEXT_AT = _WRAPPED_AT + _KEY_BYTES + _TAG_BYTES


class SealingError(StateError):
    """Something sealed cannot be opened with this key. Never quotes a secret."""


class SealingKey:
    """The root secret, opened. `pepper` keys the hashes of api-keys and `log_tag_key` the tags of key ids in logs."""

    __slots__ = ("_id", "_key", "_path", "log_tag_key", "pepper")

    def __init__(self, root: bytes, path: Path) -> None:
        self._path = path
        self._id = _derived(root, b"guard kek id v1", _ID_BYTES)
        self._key = AESGCM(_derived(root, b"guard kek v1"))
        self.pepper = _derived(root, b"guard api-key pepper v1")
        self.log_tag_key = _derived(root, b"guard log tag v1")

    @classmethod
    def load(cls, path: Path) -> "SealingKey":
        """The key in this file. Raises KeyFileError if it is missing, readable by others, or no sealing key."""
        return cls(_file(path).load().reveal(), path)

    @classmethod
    def create(cls, path: Path) -> "SealingKey":
        """A new key in a new file that only its owner can read. Raises FileExistsError if there is one already."""
        return cls(_file(path).create().reveal(), path)

    @classmethod
    def load_or_create(cls, path: Path) -> "SealingKey":
        """The key in this file; a new one, and its directory, if there is none. Never over a key that is there."""
        return cls(_file(path).load_or_create().reveal(), path)

    def seal(self, key_id: str, purpose: str, text: bytes) -> bytes:
        """The text, readable only with this key, and only as this purpose of this key id."""
        bound = self._bound(key_id, purpose)
        data_key = secrets.token_bytes(_KEY_BYTES)
        wrap_nonce, text_nonce = secrets.token_bytes(_NONCE_BYTES), secrets.token_bytes(_NONCE_BYTES)
        wrapped = self._key.encrypt(wrap_nonce, data_key, bound)
        sealed = AESGCM(data_key).encrypt(text_nonce, text, bound)
        return _VERSION + self._id + wrap_nonce + wrapped + text_nonce + sealed

    def open(self, key_id: str, purpose: str, sealed: bytes) -> bytes:
        """What was sealed. Raises SealingError if it was sealed under another key, moved, changed or cut."""
        if sealed[:1] != _VERSION:
            raise SealingError(f"the secret of key {key_id} has a sealing format that this guard does not know")
        if sealed[1 : 1 + _ID_BYTES] != self._id:
            raise SealingError(
                f"the secret of key {key_id} was sealed under another sealing key than {self._path}: {_WHERE}"
            )
        bound = self._bound(key_id, purpose)
        text_nonce, text = sealed[_TEXT_AT : _TEXT_AT + _NONCE_BYTES], sealed[_TEXT_AT + _NONCE_BYTES :]
        try:
            data_key = self._key.decrypt(sealed[1 + _ID_BYTES : _WRAPPED_AT], sealed[_WRAPPED_AT:_TEXT_AT], bound)
            return AESGCM(data_key).decrypt(text_nonce, text, bound)
        except (InvalidTag, ValueError):
            raise SealingError(
                f"the secret of key {key_id} was changed since it was sealed: restore the database from a backup"
            ) from None

    def _bound(self, key_id: str, purpose: str) -> bytes:
        parts = (_VERSION, self._id, key_id.encode(), purpose.encode())
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    def __repr__(self) -> str:
        return f"SealingKey({self._id.hex()})"


_WHERE = "put back the file that belongs to this database, or name it with GUARD_SEALING_KEY_FILE"


def _file(path: Path) -> KeyFile:
    return KeyFile(path, "sealing key", _WHERE)


def _derived(root: bytes, purpose: bytes, length: int = _KEY_BYTES) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(root)
