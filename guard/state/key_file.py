"""A root secret in a file of its own: 32 random bytes in base64, readable by its owner only.

What is derived from it, or signed with it, is somebody else's question.
"""

import base64
import binascii
import os
import secrets
import stat
from pathlib import Path

import msgspec

from guard.model.keys import Secret
from guard.state.faults import StateError

_KEY_BYTES = 32
_FILE_BYTES_MAX = 64 * 1024


class KeyFileError(StateError):
    """The file is missing, readable by others, or not what it should be. Says which, and the remedy; quotes nothing."""


class KeyFile(msgspec.Struct, frozen=True):
    """`name` is what messages call it (`sealing key`); `remedy` is what to do if it is not there."""

    path: Path
    name: str
    remedy: str

    def load(self) -> Secret:
        """The key in the file. Raises KeyFileError if it is missing, readable by others, or no such key."""
        try:
            root = base64.b64decode(self.content().strip(), validate=True)
        except binascii.Error:
            root = b""
        if len(root) != _KEY_BYTES:
            raise self.unusable()
        return Secret(root)

    def content(self) -> bytes:
        """What the file says, whatever it is. Raises KeyFileError if it is missing or readable by others."""
        path = self.path
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                text = file.read(_FILE_BYTES_MAX)
        except FileNotFoundError:
            raise KeyFileError(f"there is no {self.name} at {path}: {self.remedy}") from None
        except OSError as error:
            raise KeyFileError(f"the {self.name} {path} cannot be read ({error.strerror})") from error
        if mode & 0o077:
            raise KeyFileError(f"the {self.name} {path} can be read by others: run `chmod 600 {path}`")
        return text

    def replace(self, content: bytes) -> None:
        """Put other content in its place, durably: whoever reads sees the old or the new. Its owner stays.

        Only for whoever is alone in changing it.
        """
        path = self.path.resolve()
        draft = path.with_name(f".{path.name}.new")
        try:
            owner = path.stat()
            draft.unlink(missing_ok=True)  # one that was interrupted may hold what has been taken out since
            try:
                _write_durably(draft, content)
                os.chown(draft, owner.st_uid, owner.st_gid)
                draft.replace(path)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
            _sync_directory(path.parent)
        except OSError as error:
            raise KeyFileError(f"the {self.name} {self.path} cannot be written ({error.strerror})") from error

    def unusable(self) -> KeyFileError:
        """Its content is no such key."""
        return KeyFileError(f"{self.path} is no {self.name} (32 bytes in base64): put back the one that guard made")

    def create(self) -> Secret:
        """A new key in a new file. Raises FileExistsError if there is one already."""
        path = self.path
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            if not path.parent.is_dir():
                path.parent.mkdir(mode=0o700, parents=True)
            _write_durably(draft, base64.b64encode(secrets.token_bytes(_KEY_BYTES)) + b"\n")
        except OSError as error:
            raise KeyFileError(f"the {self.name} {path} cannot be made ({error.strerror})") from error
        try:
            os.link(draft, path)  # atomic, and never over a key that another process has just made
        finally:
            draft.unlink()
        _sync_directory(path.parent)
        return self.load()

    def load_or_create(self) -> Secret:
        """The key in the file; a new one, and its directory, if there is none. Never over a key that is there."""
        try:
            return self.create()
        except FileExistsError:
            return self.load()


def _write_durably(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
