"""RESP, Redis's protocol (versions 2 and 3), and a client of one connection.

Written by hand, so that neither the fault proxy nor a test's judge rests on the library that the gateway uses.
"""

import socket
import ssl
from collections.abc import Iterator
from typing import Self, TypeAlias

Reply: TypeAlias = "bytes | int | list[Reply] | RedisError | None"
"""Simple strings and bulk strings are bytes; whatever is an aggregate is a list, maps flat."""

Word: TypeAlias = bytes | str | int

_LINES, _BULKS, _AGGREGATES = b"+-:,(#_", b"$=!", b"*~>%|"
_PUSH = ord(">")
_TIMEOUT_S = 5.0


class RedisError(Exception):
    """What Redis answers instead of doing it."""


def encoded(*words: Word) -> bytes:
    """A command."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def decoded(held: bytes | bytearray, at: int) -> tuple[Reply, int] | None:
    """The value that begins there, and where it ends; None if it has not come whole. Raises ValueError."""
    end = held.find(b"\r\n", at)
    if end < 0:
        return None
    kind, line, end = held[at], bytes(held[at + 1 : end]), end + 2
    if kind in _LINES:
        return _line(kind, line), end
    if kind not in _BULKS + _AGGREGATES:
        raise ValueError(f"not RESP: {bytes(held[at : at + 40])!r}")
    count = int(line)
    if kind in _BULKS:
        if count < 0:
            return None, end
        if len(held) < end + count + 2:
            return None
        text = bytes(held[end : end + count])
        return (RedisError(text.decode()) if kind == ord("!") else text), end + count + 2
    if count < 0:
        return None, end
    values: list[Reply] = []
    for _ in range(2 * count if kind in b"%|" else count):
        value = decoded(held, end)
        if value is None:
            return None
        values.append(value[0])
        end = value[1]
    return values, end


def is_push(held: bytes | bytearray, at: int) -> bool:
    """Whether what begins there came unasked (RESP3)."""
    return held[at] == _PUSH


class RedisClient:
    """One connection, one question at a time."""

    def __init__(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        credentials: tuple[str, ...] = (),
        tls: ssl.SSLContext | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        plain = socket.create_connection((host, port), timeout=timeout_s)
        self._socket = plain if tls is None else tls.wrap_socket(plain, server_hostname=host)
        self._held = bytearray()
        if credentials:
            self.ask("AUTH", *credentials)

    def ask(self, *words: Word) -> Reply:
        """Send a command, await its reply. Raises RedisError or OSError."""
        self.send(*words)
        return self.reply()

    def send(self, *words: Word) -> None:
        self._socket.sendall(encoded(*words))

    def reply(self) -> Reply:
        """The next reply. Raises RedisError if it is one."""
        while (whole := decoded(self._held, 0) if self._held else None) is None:
            content = self._socket.recv(1 << 16)
            if not content:
                raise ConnectionResetError("Redis closed the connection")
            self._held += content
        value, end = whole
        del self._held[:end]
        if isinstance(value, RedisError):
            raise value
        return value

    def ask_text(self, *words: Word) -> str:
        """A reply that is text."""
        value = self.ask(*words)
        assert isinstance(value, bytes), value
        return value.decode()

    def info(self, section: str) -> dict[str, str]:
        """What INFO tells of one section."""
        lines = self.ask_text("INFO", section).splitlines()
        return dict(_pairs(lines))

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _line(kind: int, line: bytes) -> Reply:
    match chr(kind):
        case "-":
            return RedisError(line.decode())
        case ":":
            return int(line)
        case "_":
            return None
        case "#":
            return int(line == b"t")
        case _:
            return line


def _pairs(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            yield name, value
