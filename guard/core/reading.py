"""What a message says in one place, in the one way in which all programs read it; or else nothing, and why.

Costs and resources are read through this door. A parameter or member that some program might take for the one that is
meant (another case, an encoded letter, a bracket, a second occurrence) is a fault: the backend may read that one.
"""

import re
from typing import Final

from guard.model.facts import Facts
from guard.signing.parameters import lookalike, media_type, pairs
from guard.wire import documents
from guard.wire.documents import DocumentFault, Pointer, alike

_VALUE: Final = re.compile(rb"(?:[!#$&-*,-:<-~]|%[0-9A-Fa-f]{2})*+")
_CHARSET: Final = re.compile(rb'\s*charset\s*=\s*"?utf-8"?\s*', re.IGNORECASE)


class Untold(Exception):  # noqa: N818  # a fault of the message
    """It cannot be told what the message says. The text may be shown; it quotes nothing that was received."""


def body_type(facts: Facts) -> bytes:
    """The media type of a body that is to be read as it stands: UTF-8, no content coding. Empty if it is not."""
    if facts.values(b"content-encoding"):
        return b""
    said, kind = facts.values(b"content-type"), media_type(facts)
    parameters = said[0].partition(b";")[2] if kind else b""
    return b"" if parameters.strip() and not _CHARSET.fullmatch(parameters) else kind


def parameter(raw: bytes, name: str, where: str) -> bytes | None:
    """The value of a parameter of a query or form as received, None if there is none. Raises Untold."""
    wanted = alike(name)
    split = pairs(raw.replace(b";", b"&"))  # as some backends do
    found = [(key, value) for key, value in split if _read_otherwise(key) == wanted]
    if not found:
        return None
    shown = f'the parameter "{name}" of the {where}'
    if len(found) > 1:
        raise Untold(f"{shown} occurs twice")
    key, value = found[0]
    if key != name.encode() or b";" in raw:
        raise Untold(f"{shown} is spelled otherwise")
    return value


def decoded(value: bytes) -> str:
    """A parameter's value, percent-decoded once. Raises Untold where decoders differ: `+`, `;`, bad UTF-8 and more."""
    if not _VALUE.fullmatch(value):
        raise Untold("a value is not plainly encoded")
    try:
        return lookalike(value).decode()
    except UnicodeDecodeError:
        raise Untold("a value is not UTF-8") from None


def document(body: bytes) -> object:
    """A JSON body. Raises Untold."""
    try:
        return documents.parse(body)
    except DocumentFault as fault:
        raise Untold(str(fault)) from None


def member(held: object, pointer: Pointer) -> object:
    """What stands at the pointer. Raises KeyError if nothing does, and Untold if something else could be meant."""
    try:
        return documents.find_alone(held, pointer)
    except DocumentFault as fault:
        raise Untold(str(fault)) from None


def _read_otherwise(key: bytes) -> str:
    """What the most generous decoder makes of a parameter's name: `%53ymbol[]` is `symbol` to one."""
    text = lookalike(key).decode("utf-8", "replace").partition("[")[0]
    return alike(text.partition("\0")[0])
