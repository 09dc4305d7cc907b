"""What an edge saw of one message, before anyone believes a word of it.

Facts are the same for an HTTP request, a WebSocket message and a FIX frame: somebody (`peer`) asks somebody
(`authority`) to do something (`verb`) to something (`path`, `query`), says so in named `fields`, and may add a body.
Nothing here is decoded: the bytes are those that arrived, because signatures are made over bytes.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

import msgspec

from guard.model.names import Address, RequestId, UnixMs

Field: TypeAlias = tuple[bytes, bytes]
"""A field's name in lower case and its value as received, without the white space around it."""


class FieldNames:
    """The names of a field section in order, and the positions at which each stands.

    `wire/field_names.py` makes one for each sequence of names and shares it among all messages that have the same, so
    that whatever follows from names alone is worked out once. Compared by identity.
    """

    __slots__ = ("at", "names")

    def __init__(self, names: tuple[bytes, ...]) -> None:
        at: dict[bytes, list[int]] = {}
        for position, name in enumerate(names):
            at.setdefault(name, []).append(position)
        self.names = names
        self.at: Mapping[bytes, list[int]] = at


class Transport(StrEnum):
    """How the message came in. Signature schemes and routes belong to exactly one."""

    HTTP = "http"
    WEBSOCKET = "websocket"
    FIX = "fix"


class Defect(msgspec.Struct, frozen=True, gc=False):
    """Something that makes a message ambiguous or ill-formed, found by the edge that decoded it.

    `code` is a row of the reasons table; `detail` may be shown to the client, so it never quotes what was received.
    """

    code: str
    detail: str


class Facts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message as it arrived. `body` is None while it is still on the wire, b"" when there is none.

    `client_certificate` is that of the client's TLS connection, verified, in DER.

    `names` are those of `fields`, in the same order.
    """

    transport: Transport
    verb: str
    authority: bytes
    path: bytes
    query: bytes | None = None
    fields: tuple[Field, ...] = ()
    names: FieldNames
    body: bytes | None = b""
    body_bytes_announced: int | None = None
    peer: Address
    secure: bool = False
    client_certificate: bytes | None = None
    received_at: UnixMs
    request_id: RequestId
    defects: tuple[Defect, ...] = ()

    @property
    def target(self) -> bytes:
        """The request target as received: the path, and the query if there was a question mark."""
        return self.path if self.query is None else self.path + b"?" + self.query

    def with_body(self, content: bytes) -> "Facts":
        """The same message, its body now at hand."""
        return msgspec.structs.replace(self, body=content)

    def values(self, name: bytes) -> list[bytes]:
        """Every value of the field `name` (lower case), in the order received."""
        fields = self.fields
        return [fields[position][1] for position in self.names.at.get(name, ())]


class BodyRead(msgspec.Struct, frozen=True, gc=False):
    """The whole body, exactly as received, after the transfer coding was undone."""

    content: bytes


class BodyBroken(msgspec.Struct, frozen=True, gc=False):
    """The body could not be had. `code` is a row of the reasons table (too large, too slow, cut off, no room)."""

    code: str


Body: TypeAlias = BodyRead | BodyBroken
