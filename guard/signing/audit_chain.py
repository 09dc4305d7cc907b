"""Whether an audit trail is whole: every record hashed as it stands, following the one before it, and fitting what was
signed. Pure, over lines: those of an export, of the database, or of checkpoints that were kept elsewhere.

What it proves: with no checkpoint, that each record follows the one before. With one that was signed by a key that is
known, also that the records up to it are those that were there when it was signed, however the chain was computed anew.
Memory: 32 bytes a record, since checkpoints come after all records.
"""

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from guard.model.audit import AUDIT_FORMAT, BEFORE_THE_FIRST, AuditRecord, Checkpoint
from guard.signing.algorithms import verifies
from guard.signing.encodings import decode_base64
from guard.signing.scheme import SignatureAlgorithm
from guard.wire.audit_lines import CheckpointLine, RecordLine, read_line, value_of

_HASH_BYTES = 32


class Broken(msgspec.Struct, frozen=True):
    """The first link that does not hold: the line it was found in (None: after the last), and what is wrong."""

    line: int | None
    fault: str


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """Everything holds. `last` is the checkpoint with the most records; those after it are vouched for by nobody."""

    records: int
    hash: str
    checkpoints: int
    last: Checkpoint | None


def hash_of(document: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(document).hexdigest()


def verified(lines: Iterable[bytes], keys: Mapping[str, bytes] | None) -> Whole | Broken:
    """Whether these lines are a whole trail: records, then checkpoints. `keys` are raw public keys by id.

    With keys, a checkpoint that none of them signed is a fault; None leaves signatures unread.
    """
    reader = ChainReader(keys)
    for line in lines:
        broken = reader.read(line)
        if broken is not None:
            return broken
    return reader.end()


def verified_export(lines: Iterable[bytes], keys: Mapping[str, bytes] | None) -> Whole | Broken:
    """The same for an export, which ends with a checkpoint of all its records: one that does not was cut."""
    verdict = verified(lines, keys)
    if isinstance(verdict, Broken):
        return verdict
    signed = 0 if verdict.last is None else verdict.last.count
    if signed < verdict.records:
        return Broken(
            None, f"no checkpoint counts more than {signed} of {verdict.records} records: the end was cut off"
        )
    return verdict


class ChainReader:
    """The same line by line, for lines that are awaited. Once `read` answers Broken, it is not asked again."""

    def __init__(self, keys: Mapping[str, bytes] | None) -> None:
        self.record: AuditRecord | None = None
        """The record that was read last."""
        self._keys = keys
        self._line = 0
        self._hashes = bytearray()
        self._checkpoints = 0
        self._last: Checkpoint | None = None

    def read(self, line: bytes) -> Broken | None:
        """Take the next line."""
        self._line += 1
        carried = read_line(line)
        if carried is None:
            return self._broken("the line is neither a record nor a checkpoint")
        fault = self._record_fault(carried) if isinstance(carried, RecordLine) else self._checkpoint_fault(carried)
        return None if fault is None else self._broken(fault)

    def end(self) -> Whole:
        """What was read, if nothing of it was Broken."""
        return Whole(records=self._count, hash=self._hash, checkpoints=self._checkpoints, last=self._last)

    @property
    def _count(self) -> int:
        return len(self._hashes) // _HASH_BYTES

    @property
    def _hash(self) -> str:
        return self._hashes[-_HASH_BYTES:].hex() or BEFORE_THE_FIRST

    def _broken(self, fault: str) -> Broken:
        return Broken(self._line, fault)

    def _record_fault(self, carried: RecordLine) -> str | None:
        due = self._count + 1
        record = value_of(carried.document, AuditRecord)
        found = hash_of(carried.document)
        if found != carried.hash:
            return f"record {due} was changed: its bytes do not have its hash"
        if record is None or record.version != AUDIT_FORMAT:
            return f"record {due} has a format that this guard does not know"
        if self._checkpoints:
            return f"record {record.number} stands after a checkpoint"
        if record.number > due:
            return f"record {due} is missing: after record {due - 1} comes {record.number}"
        if record.number < due:
            return f"record {record.number} stands where record {due} is due"
        if record.previous != self._hash:
            return f"record {due} does not follow what stands before it: one of them was changed, or another put in"
        self.record = record
        self._hashes += bytes.fromhex(found)
        return None

    def _checkpoint_fault(self, carried: CheckpointLine) -> str | None:
        checkpoint = value_of(carried.document, Checkpoint)
        if checkpoint is None or checkpoint.version != AUDIT_FORMAT:
            return "the checkpoint has a format that this guard does not know"
        fault = self._signature_fault(carried, checkpoint) or self._fit_fault(checkpoint)
        if fault is None:
            self._checkpoints += 1
            if self._last is None or checkpoint.count > self._last.count:
                self._last = checkpoint
        return fault

    def _signature_fault(self, carried: CheckpointLine, checkpoint: Checkpoint) -> str | None:
        if self._keys is None:
            return None
        public = self._keys.get(checkpoint.key)
        if public is None:
            return (
                f"the checkpoint of {checkpoint.count} records names key {checkpoint.key}, which is none of those given"
            )
        signature = decode_base64(carried.signature)
        if not verifies(SignatureAlgorithm.ED25519, public, carried.document, signature):
            return f"the checkpoint of {checkpoint.count} records has a signature that does not verify"
        return None

    def _fit_fault(self, checkpoint: Checkpoint) -> str | None:
        if checkpoint.count > self._count:
            return f"the tail was cut off: {checkpoint.count} records were signed, and {self._count} are there"
        if checkpoint.count < 1:
            return "the checkpoint counts no record"
        end = checkpoint.count * _HASH_BYTES
        if self._hashes[end - _HASH_BYTES : end].hex() != checkpoint.hash:
            return f"record {checkpoint.count} is not the one that was signed: it, or one before it, was rewritten"
        return None
