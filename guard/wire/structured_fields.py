"""The little of RFC 9651 that guard writes: strings, integers, byte sequences, their parameters. It parses nothing."""

from base64 import b64encode

_INTEGER_MAX = 999_999_999_999_999


def string(text: str) -> bytes:
    """A String (section 4.1.6). Raises ValueError for anything but printable ASCII."""
    if not (text.isascii() and text.isprintable()):
        raise ValueError("a structured String is printable ASCII")
    return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode("ascii") + b'"'


def integer(number: int) -> bytes:
    """An Integer (section 4.1.4). Raises ValueError beyond 15 digits."""
    if abs(number) > _INTEGER_MAX:
        raise ValueError("a structured Integer has at most 15 digits")
    return b"%d" % number


def byte_sequence(content: bytes) -> bytes:
    """A Byte Sequence (section 4.1.8)."""
    return b":" + b64encode(content) + b":"


def with_parameters(item: bytes, *parameters: tuple[bytes, bytes]) -> bytes:
    """A serialised item with parameters (section 4.1.1.2): lower-case keys and serialised values."""
    return item + b"".join(b";" + key + b"=" + value for key, value in parameters)


def members(items: list[bytes]) -> bytes:
    """A List of serialised members (section 4.1.1)."""
    return b", ".join(items)
