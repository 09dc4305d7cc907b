"""Small trails for the tests of what they prove."""

from guard.model.audit import AuditRecord, Checkpoint, Subject
from guard.model.keys import Secret
from guard.signing.audit_chain import hash_of
from guard.signing.audit_key import AuditKey
from guard.wire.audit_lines import checkpoint_line, document_of, record_line

KEY = AuditKey(Secret(bytes(range(32))))
KEYS = {KEY.id: KEY.public}
AT_MS = 1_800_000_000_000


def records(count: int, *, why: str = "") -> list[bytes]:
    """That many lines of a chain."""
    lines, previous = [], "0" * 64
    for number in range(1, count + 1):
        document = document_of(
            AuditRecord(
                number=number,
                previous=previous,
                revision=number,
                at_ms=AT_MS + number,
                actor="alice",
                origin="cli desk",
                command="create",
                subject=Subject("key", f"k{number}"),
                why=why,
                before=None,
                after={"id": f"k{number}"},
            )
        )
        previous = hash_of(document)
        lines.append(record_line(document, previous))
    return lines


def checkpoint(lines: list[bytes], count: int, key: AuditKey = KEY) -> bytes:
    """A checkpoint of the first `count` of these lines."""
    document = document_of(Checkpoint(count=count, hash=lines[count - 1][9:73].decode(), at_ms=AT_MS, key=key.id))
    return checkpoint_line(document, key.signature(document))
