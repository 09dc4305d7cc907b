"""Commands as Redis reads them (RESP, the array of bulk strings), many in one write. Bytes only; no socket."""

from collections.abc import Iterable


def command(*words: bytes | str | int) -> bytes:
    """One command."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        text = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(text), text))
    return b"".join(parts)


def call(sha: bytes, keys: Iterable[bytes], arguments: tuple[bytes, ...]) -> bytes:
    """EVALSHA of a script, all its keys declared."""
    named = list(keys)
    return command(b"EVALSHA", sha, len(named), *named, *arguments)
