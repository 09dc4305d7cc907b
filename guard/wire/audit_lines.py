"""The audit trail as bytes. A record or a checkpoint is a document: one JSON object in printable ASCII, names in order,
no blanks. An export is lines that carry documents unchanged. Specified to the byte in `docs/audit.md`.

A line is cut at fixed places and its document is never encoded anew, so that what is hashed is what was stored.
"""

import json
import re
from typing import TypeVar

import msgspec

from guard.model.audit import AuditRecord, Checkpoint

DOCUMENT_BYTES_MAX = 1 << 20

_BEYOND_ASCII = re.compile(r"[^ -~]")
_NO_TEXT = "\ufffd"

_RECORD = re.compile(rb'\{"hash":"([0-9a-f]{64})","record":(\{[ -~]*\})\}')
_CHECKPOINT = re.compile(rb'\{"checkpoint":(\{[ -~]*\}),"signature":"([A-Za-z0-9+/]{86}==)"\}')

Document = TypeVar("Document", AuditRecord, Checkpoint)


class RecordLine(msgspec.Struct, frozen=True):
    """A record's document, and the hash that it is said to have."""

    document: bytes
    hash: str


class CheckpointLine(msgspec.Struct, frozen=True):
    """A checkpoint's document, and the signature in base64."""

    document: bytes
    signature: bytes


def document_of(value: AuditRecord | Checkpoint) -> bytes:
    """The one way to write it. A lone surrogate, which no text has, becomes U+FFFD."""
    text = json.dumps(
        msgspec.to_builtins(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return _BEYOND_ASCII.sub(_escaped, text).encode("ascii")


def value_of(document: bytes, kind: type[Document]) -> Document | None:
    """What a document says; None if it is no document of this format."""
    try:
        return msgspec.json.decode(document, type=kind)
    except (msgspec.DecodeError, RecursionError):
        return None


def record_line(document: bytes, document_hash: str) -> bytes:
    """A record as a line, without its end."""
    return b'{"hash":"%b","record":%b}' % (document_hash.encode("ascii"), document)


def checkpoint_line(document: bytes, signature: bytes) -> bytes:
    """A checkpoint as a line, without its end. `signature` is in base64."""
    return b'{"checkpoint":%b,"signature":"%b"}' % (document, signature)


def read_line(line: bytes) -> RecordLine | CheckpointLine | None:
    """What a line carries; None if it is neither. One line feed may end it."""
    content = line.removesuffix(b"\n")
    record = _RECORD.fullmatch(content)
    if record is not None:
        return RecordLine(record[2], record[1].decode("ascii"))
    checkpoint = _CHECKPOINT.fullmatch(content)
    if checkpoint is not None:
        return CheckpointLine(checkpoint[1], checkpoint[2])
    return None


def _escaped(found: re.Match[str]) -> str:
    units = (_NO_TEXT if "\ud800" <= found[0] <= "\udfff" else found[0]).encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
