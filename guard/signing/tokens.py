"""Key ids and secrets as texts: a prefix, so that scanners find leaked ones, and a checksum against typing errors.

`gk_` + 16 base62 digits + 6 of CRC-32, and `gs_` + 43 + 6; administrators' tokens are `ga_` + 43 + 6. Forming is pure:
randomness is passed in.
"""

import hmac
import re
import string
import zlib

KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}")
"""Any key id, also an imported one."""

KEY_ID_PREFIX = "gk_"
SECRET_PREFIX = "gs_"  # noqa: S105  # a prefix is no secret
ADMIN_TOKEN_PREFIX = "ga_"  # noqa: S105
TOKEN_ID_PREFIX = "gt_"  # noqa: S105
RELEASE_ID_PREFIX = "gr_"

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_KEY_ID_DIGITS = 16
_SECRET_DIGITS = 43
_CHECK_DIGITS = 6
_KEY_ID_RANDOM_BYTES = 20
_SECRET_RANDOM_BYTES = 32
_FORMS = (
    (KEY_ID_PREFIX, _KEY_ID_DIGITS),
    (SECRET_PREFIX, _SECRET_DIGITS),
    (ADMIN_TOKEN_PREFIX, _SECRET_DIGITS),
)
_ADMIN_TOKEN = re.compile(r"ga_[0-9A-Za-z]{49}")
_SECRET_CHARACTERS = re.compile(rb"[!-~]{1,512}")


def mint_key_id(random: bytes) -> str:
    """A new key id from 20 random bytes (95 bits remain). Raises ValueError for another number of them."""
    return _formed(KEY_ID_PREFIX, random, _KEY_ID_RANDOM_BYTES, _KEY_ID_DIGITS)


def mint_secret(random: bytes) -> str:
    """A new secret from 32 random bytes, all 256 bits of which remain. Raises ValueError for another number of them."""
    return _formed(SECRET_PREFIX, random, _SECRET_RANDOM_BYTES, _SECRET_DIGITS)


def mint_admin_token(random: bytes) -> str:
    """A new administrator's token from 32 random bytes. Raises ValueError for another number of them."""
    return _formed(ADMIN_TOKEN_PREFIX, random, _SECRET_RANDOM_BYTES, _SECRET_DIGITS)


def mint_id(prefix: str, random: bytes) -> str:
    """A new id of anything else that is administered, from 20 random bytes."""
    return _formed(prefix, random, _KEY_ID_RANDOM_BYTES, _KEY_ID_DIGITS)


def is_admin_token(text: str) -> bool:
    """Whether the text has the form of an administrator's token, its checksum included."""
    return _ADMIN_TOKEN.fullmatch(text) is not None and not looks_mistyped(text)


def looks_mistyped(text: str) -> bool:
    """Whether the text has one of our prefixes and yet cannot have been issued by any guard."""
    for prefix, digits in _FORMS:
        if text.startswith(prefix):
            content = text[: len(prefix) + digits]
            return not hmac.compare_digest((content + _checksum(content)).encode(), text.encode("utf-8", "replace"))
    return False


def split_credential(credential: bytes) -> tuple[str, bytes] | None:
    """Key id and secret of `id.secret`, split at the last dot; None if either lacks its form."""
    key_id, _, secret = credential.rpartition(b".")
    text = key_id.decode("ascii", "replace")
    if not KEY_ID.fullmatch(text) or not _SECRET_CHARACTERS.fullmatch(secret):
        return None
    return text, secret


def _formed(prefix: str, random: bytes, random_bytes: int, digits: int) -> str:
    if len(random) != random_bytes:
        raise ValueError(f"exactly {random_bytes} random bytes are needed")
    content = prefix + _base62(int.from_bytes(random, "big"), digits)
    return content + _checksum(content)


def _checksum(content: str) -> str:
    return _base62(zlib.crc32(content.encode("utf-8", "replace")), _CHECK_DIGITS)


def _base62(number: int, digits: int) -> str:
    """The last `digits` digits of the number."""
    written = ""
    for _ in range(digits):
        number, digit = divmod(number, len(_DIGITS))
        written = _DIGITS[digit] + written
    return written
