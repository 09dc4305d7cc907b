"""Secrets at rest: envelope encryption with AES-256-GCM under key-encryption keys that live in one file.

Each sealed text has a data key of its own, wrapped by a key-encryption key; both layers are bound to the key id and the
purpose, so a sealed text cannot be moved to another record. The format starts with a version and with the id of the
key-encryption key, so both can change. Every key of the file opens; which one seals is written in the database, so that
no two nodes differ (`key_seals.py`). This room knows no database.

    version (1) | KEK id (8) | nonce (12) | wrapped data key (48) | nonce (12) | sealed text and tag
"""

import hmac
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from guard.state.faults import StateError
from guard.state.key_file import KeyFile
from guard.state.sealing_file import KEY_BYTES, Roots, derived, read_roots, roots_of, written

KEK_ID_AT, KEK_ID_BYTES = 1, 8
"""Where a sealed text names the key-encryption key."""

_VERSION = b"\x01"
_NONCE_BYTES, _TAG_BYTES = 12, 16
_NONCE_AT = KEK_ID_AT + KEK_ID_BYTES
_WRAPPED_AT = _NONCE_AT + _NONCE_BYTES
_TEXT_AT = _WRAPPED_AT + KEY_BYTES + _TAG_BYTES


class SealingError(StateError):
    """Something sealed cannot be opened with this key. Never quotes a secret."""


class SealingKey:
    """The file, opened. `pepper` keys the hashes of api-keys and `log_tag_key` the tags of key ids in logs: these two
    never change. Its key-encryption keys are known by their ids; a new one may come into the file at any time.
    """

    __slots__ = ("_file", "_keks", "log_tag_key", "pepper")

    def __init__(self, root: bytes | Roots, path: Path) -> None:
        roots = roots_of(root) if isinstance(root, bytes) else root
        self._file = _file(path)
        self._keks = _keks(roots)
        self.pepper = roots.pepper
        self.log_tag_key = roots.log_tag

    @classmethod
    def load(cls, path: Path) -> "SealingKey":
        """The key in this file. Raises KeyFileError if it is missing, readable by others, or no sealing key."""
        return cls(_read(_file(path)), path)

    @classmethod
    def create(cls, path: Path) -> "SealingKey":
        """A new key in a new file that only its owner can read. Raises FileExistsError if there is one already."""
        return cls(_file(path).create().reveal(), path)

    @classmethod
    def load_or_create(cls, path: Path) -> "SealingKey":
        """The key in this file; a new one, and its directory, if there is none. Never over a key that is there."""
        try:
            return cls.create(path)
        except FileExistsError:
            return cls.load(path)

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self._file.path

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of its key-encryption keys, newest first. Until the database names one, the oldest seals."""
        return tuple(self._keks)

    def seal(self, key_id: str, purpose: str, text: bytes, under: str | None = None) -> bytes:
        """The text, readable only with the key-encryption key of this id, and only as this purpose of this key id."""
        kek_id = under or self.ids[-1]
        kek = self._kek(kek_id)
        if kek is None:
            raise SealingError(
                f"secrets are sealed under key {kek_id} now, which is not in {self.path}: copy the newest sealing key "
                "file to this node"
            )
        bound = _bound(kek_id, key_id, purpose)
        data_key = secrets.token_bytes(KEY_BYTES)
        wrap_nonce, text_nonce = secrets.token_bytes(_NONCE_BYTES), secrets.token_bytes(_NONCE_BYTES)
        wrapped = kek.encrypt(wrap_nonce, data_key, bound)
        sealed = AESGCM(data_key).encrypt(text_nonce, text, bound)
        return _VERSION + bytes.fromhex(kek_id) + wrap_nonce + wrapped + text_nonce + sealed

    def open(self, key_id: str, purpose: str, sealed: bytes) -> bytes:
        """What was sealed. Raises SealingError if it was sealed under another key, moved, changed or cut."""
        if sealed[:KEK_ID_AT] != _VERSION:
            raise SealingError(f"the secret of key {key_id} has a sealing format that this guard does not know")
        kek_id = sealed[KEK_ID_AT:_NONCE_AT].hex()
        kek = self._kek(kek_id)
        if kek is None:
            raise SealingError(
                f"the secret of key {key_id} was sealed under another sealing key than {self.path}: {_WHERE}"
            )
        bound = _bound(kek_id, key_id, purpose)
        text_nonce, text = sealed[_TEXT_AT : _TEXT_AT + _NONCE_BYTES], sealed[_TEXT_AT + _NONCE_BYTES :]
        try:
            data_key = kek.decrypt(sealed[_NONCE_AT:_WRAPPED_AT], sealed[_WRAPPED_AT:_TEXT_AT], bound)
            return AESGCM(data_key).decrypt(text_nonce, text, bound)
        except (InvalidTag, ValueError):
            raise SealingError(
                f"the secret of key {key_id} was changed since it was sealed: restore the database from a backup"
            ) from None

    def reread(self) -> None:
        """Take up what the file says now. Raises StateError, and changes nothing, if that is not this key any more."""
        roots = _read(self._file)
        if not hmac.compare_digest(roots.pepper, self.pepper):
            raise SealingError(f"{self.path} is another sealing key than before: {_WHERE}")
        self._keks = _keks(roots)

    def add(self) -> str:
        """Put a new key-encryption key first in the file: its id. Only for whoever is alone in changing the file."""
        roots = _read(self._file)
        seals = (secrets.token_bytes(KEY_BYTES), *roots.seals)
        self._replace(Roots(roots.pepper, roots.log_tag, seals))
        return self.ids[0]

    def drop(self, ids: tuple[str, ...]) -> None:
        """Take these out of the file, for good. Only for whoever is alone in changing the file."""
        roots = _read(self._file)
        seals = tuple(root for root in roots.seals if _kek_id(root) not in ids)
        self._replace(Roots(roots.pepper, roots.log_tag, seals))

    def _replace(self, roots: Roots) -> None:
        self._file.replace(written(roots))
        self.reread()

    def _kek(self, kek_id: str) -> AESGCM | None:
        """One that is not known may have come into the file since it was read."""
        if kek_id not in self._keks:
            try:
                self.reread()
            except StateError:
                return None
        return self._keks.get(kek_id)

    def __repr__(self) -> str:
        return f"SealingKey({', '.join(self.ids)})"


_WHERE = "put back the file that belongs to this database, or name it with GUARD_SEALING_KEY_FILE"


def _file(path: Path) -> KeyFile:
    return KeyFile(path, "sealing key", _WHERE)


def _read(file: KeyFile) -> Roots:
    roots = read_roots(file.content())
    if roots is None:
        raise file.unusable()
    return roots


def _keks(roots: Roots) -> dict[str, AESGCM]:
    return {_kek_id(root): AESGCM(derived(root, b"guard kek v1")) for root in roots.seals}


def _kek_id(root: bytes) -> str:
    return derived(root, b"guard kek id v1", KEK_ID_BYTES).hex()


def _bound(kek_id: str, key_id: str, purpose: str) -> bytes:
    parts = (_VERSION, bytes.fromhex(kek_id), key_id.encode(), purpose.encode())
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
