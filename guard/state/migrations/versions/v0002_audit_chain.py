"""The audit trail becomes a chain: its rows as documents that follow each other by hash, and checkpoints of it.

The format is written down here once more, as it was when this migration was made.
"""

import hashlib
import json
import re
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NOTHING_BEFORE = "0" * 64
_ROWS_AT_ONCE = 1000
_BEYOND_ASCII = re.compile(r"[^ -~]")


def upgrade() -> None:
    """Make the tables, move every row in order, and write the end of the chain into the head."""
    records = op.create_table(
        "audit_records",
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger),
        sa.Column("subject_kind", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit_records"),
    )
    op.create_index("ix_audit_records_subject_id", "audit_records", ["subject_id"])
    op.create_table(
        "audit_checkpoints",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit_checkpoints"),
    )
    op.create_index("ix_audit_checkpoints_count", "audit_checkpoints", ["count"])
    op.add_column("head", sa.Column("audit_records", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("head", sa.Column("audit_hash", sa.Text, nullable=False, server_default=_NOTHING_BEFORE))
    count, last = _chain(records)
    op.get_bind().execute(
        sa.text("update head set audit_records = :count, audit_hash = :last"), {"count": count, "last": last}
    )
    op.drop_table("audit")


def _chain(records: sa.Table) -> tuple[int, str]:
    """Move the rows; how many they are, and the hash of the last."""
    connection = op.get_bind()
    page = sa.text("select * from audit where number > :reached order by number limit :most")
    reached, count, previous = 0, 0, _NOTHING_BEFORE
    while rows := connection.execute(page, {"reached": reached, "most": _ROWS_AT_ONCE}).mappings().all():
        chained = []
        for row in rows:
            count += 1
            document = _document(row, count, previous)
            previous = hashlib.sha256(document).hexdigest()
            subject = {"subject_kind": "key", "subject_id": row["key_id"]}
            chained.append(
                {"number": count, "revision": row["revision"], "document": document, "hash": previous} | subject
            )
        connection.execute(sa.insert(records), chained)
        reached = rows[-1]["number"]
    return count, previous


def _document(row: sa.RowMapping, number: int, previous: str) -> bytes:
    told: dict[str, Any] = {
        "actor": row["actor"],
        "after": json.loads(row["after"]),
        "at_ms": row["at"],
        "before": None if row["before"] is None else json.loads(row["before"]),
        "command": row["command"],
        "from": "",
        "number": number,
        "previous": previous,
        "revision": row["revision"],
        "subject": {"id": row["key_id"], "kind": "key"},
        "version": 1,
        "why": row["why"],
    }
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return _BEYOND_ASCII.sub(_escaped, text).encode("ascii")


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
