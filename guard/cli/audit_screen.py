"""How the audit trail looks: a record as a line for a person, and the verdict on a trail. What somebody wrote is shown
escaped, since a reason may hold anything.
"""

from datetime import UTC, datetime

import msgspec

from guard.cli.screen import one_line
from guard.model.audit import AuditRecord
from guard.signing.audit_chain import Broken, Whole


def record_text(record: AuditRecord) -> str:
    """One line for a person."""
    origin = f" from {one_line(record.origin)}" if record.origin else ""
    why = f": {one_line(record.why)}" if record.why else ""
    subject = f"{one_line(record.subject.kind)} {one_line(record.subject.id)}"
    who = f"{one_line(record.command)} {subject} by {one_line(record.actor)}{origin}"
    return f"{record.number}  {_time(record.at_ms)}  {who}{why}"


def verdict_text(verdict: Whole | Broken, *, signatures_read: bool) -> str:
    """For a person."""
    if isinstance(verdict, Broken):
        where = "" if verdict.line is None else f"line {verdict.line}: "
        return f"BROKEN  {where}{verdict.fault}"
    lines = [f"whole   {verdict.records:,} records, {verdict.checkpoints:,} checkpoints"]
    if verdict.last is None:
        lines.append("        No checkpoint covers them: a chain computed anew would not show.")
    else:
        signed = f"{verdict.last.count:,} signed by key {one_line(verdict.last.key)} at {_time(verdict.last.at_ms)}"
        after = verdict.records - verdict.last.count
        lines.append(f"        The first {signed}" + (f"; {after:,} since then." if after else "."))
    if not signatures_read:
        lines.append("        Signatures were NOT verified: give --public-key (`guard audit key` prints it).")
    return "\n".join(lines)


def verdict_json(verdict: Whole | Broken, *, signatures_read: bool) -> str:
    """For a program."""
    if isinstance(verdict, Broken):
        told: dict[str, object] = {"whole": False, "line": verdict.line, "fault": verdict.fault}
    else:
        last = verdict.last
        told = {
            "whole": True,
            "records": verdict.records,
            "hash": verdict.hash,
            "checkpoints": verdict.checkpoints,
            "signed_records": 0 if last is None else last.count,
            "signed_at_ms": None if last is None else last.at_ms,
            "signatures_verified": signatures_read,
        }
    return msgspec.json.encode(told).decode()


def _time(at_ms: int) -> str:
    try:
        return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"
