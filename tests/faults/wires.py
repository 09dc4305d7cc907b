"""What the fault proxy understands of the bytes that pass: which command is asked, and where it and its answer end.

Redis (RESP) and PostgreSQL (protocol 3.0); pure, no socket.
"""

import re
from enum import StrEnum
from typing import NamedTuple, Protocol

from tests.servers.resp import decoded, is_push


class Kind(StrEnum):
    """What a connection is for."""

    ASKS = "asks"
    HEARS = "hears"
    COPIES = "copies"


EVERY_KIND = frozenset(Kind)


class Asked(NamedTuple):
    """Bytes from the client. `name` is the command if the server owes it an answer, else None."""

    content: bytes
    name: str | None = None


class Answered(NamedTuple):
    """Bytes from the server, and whether an answer ends with them."""

    content: bytes
    ends: bool = False


class Wire(Protocol):
    """One connection, as both sides speak on it. The parts, joined, are what came; the last may wait for its end."""

    kind: Kind

    def asked(self, content: bytes) -> list[Asked]:
        """What has come from the client, in whole requests."""
        ...

    def answered(self, content: bytes) -> list[Answered]:
        """What has come from the server, in parts of which each ends at most one answer."""
        ...


class Opaque(Wire):
    """Bytes of which nothing is understood, as under TLS."""

    kind = Kind.ASKS

    def asked(self, content: bytes) -> list[Asked]:
        return [Asked(content)]

    def answered(self, content: bytes) -> list[Answered]:
        return [Answered(content)]


class Resp(Wire):
    """Redis. A connection that subscribes, or that a replica copies over, is passed on as it comes from then on."""

    _BECOMES = {  # noqa: RUF012  # a table
        "SUBSCRIBE": Kind.HEARS,
        "PSUBSCRIBE": Kind.HEARS,
        "SSUBSCRIBE": Kind.HEARS,
        "PSYNC": Kind.COPIES,
        "SYNC": Kind.COPIES,
    }

    def __init__(self) -> None:
        self.kind = Kind.ASKS
        self._asking = bytearray()
        self._answering = bytearray()

    def asked(self, content: bytes) -> list[Asked]:
        self._asking += content
        parts: list[Asked] = []
        while self._asking and self.kind is Kind.ASKS:
            whole = decoded(self._asking, 0)
            if whole is None:
                return parts
            words, end = whole
            assert isinstance(words, list), words
            name = words[0].decode().upper() if words and isinstance(words[0], bytes) else ""
            self.kind = self._BECOMES.get(name, Kind.ASKS)
            parts.append(Asked(_taken(self._asking, end), name if self.kind is Kind.ASKS else None))
        return [*parts, Asked(_taken(self._asking))] if self._asking else parts

    def answered(self, content: bytes) -> list[Answered]:
        self._answering += content
        parts: list[Answered] = []
        while self._answering and self.kind is Kind.ASKS:
            pushed, whole = is_push(self._answering, 0), decoded(self._answering, 0)
            if whole is None:
                return parts
            parts.append(Answered(_taken(self._answering, whole[1]), ends=not pushed))
        return [*parts, Answered(_taken(self._answering))] if self._answering else parts


class Postgres(Wire):
    """PostgreSQL, where an answer ends with ReadyForQuery. What was prepared before is asked as `EXECUTE`."""

    kind = Kind.ASKS
    _SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
    _WORD = re.compile(rb"\s*(\w+)")

    def __init__(self) -> None:
        self._asking = bytearray()
        self._answering = bytearray()
        self._started = False
        self._offers = 0
        self._word = ""

    def asked(self, content: bytes) -> list[Asked]:
        self._asking += content
        parts = []
        while part := self._message(self._asking, typed=self._started):
            parts.append(Asked(part, self._name(part) if self._started else self._opening(part)))
        return parts

    def answered(self, content: bytes) -> list[Answered]:
        self._answering += content
        parts = []
        while self._answering:
            if self._offers:  # SSLRequest and GSSENCRequest are answered by one byte, here always `N`
                self._offers -= 1
                parts.append(Answered(_taken(self._answering, 1)))
            elif part := self._message(self._answering, typed=True):
                parts.append(Answered(part, ends=part.startswith(b"Z")))
            else:
                break
        return parts

    def _opening(self, part: bytes) -> str | None:
        code = int.from_bytes(part[4:8])
        if code in (self._SSL, self._GSS):
            self._offers += 1
            return None
        if code == self._CANCEL:
            return None
        self._started = True
        return "STARTUP"

    def _name(self, part: bytes) -> str | None:
        kind, content = part[:1], part[5:]
        if kind == b"Q":
            return self._first_word(content)
        if kind == b"P":
            self._word = self._first_word(content.partition(b"\0")[2])
        if kind != b"S":
            return None
        word, self._word = self._word, ""
        return word or "EXECUTE"

    def _first_word(self, statement: bytes) -> str:
        found = self._WORD.match(statement)
        return found[1].decode().upper() if found else ""

    @staticmethod
    def _message(held: bytearray, *, typed: bool) -> bytes | None:
        """The next whole message; the length stands behind its type and counts itself."""
        if len(held) < typed + 4:
            return None
        length = typed + int.from_bytes(held[typed : typed + 4])
        return _taken(held, length) if len(held) >= length else None


def _taken(held: bytearray, length: int | None = None) -> bytes:
    """The first bytes, taken out."""
    part = bytes(held[:length])
    del held[:length]
    return part
