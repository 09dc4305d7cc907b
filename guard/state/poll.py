"""What a node asks of the database again and again: what changed after a revision, of keys, halts,
bans and overrides.

Why it is right: it is one statement, so it sees one instant and costs one round trip, and what it tells of them all is
of one revision. Each of its rows tells of one thing, and holds NULL where the others hold theirs.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, CompoundSelect, RowMapping, Text, bindparam, cast, null, select
from sqlalchemy.types import TypeEngine

from guard.state.ban_table import ban_of
from guard.state.directory import Poll
from guard.state.halt_table import halt_of
from guard.state.key_rows import from_row
from guard.state.override_table import override_of
from guard.state.sealing import SealingKey
from guard.state.sql_schema import BANS, HALTS, HEAD, KEYS, OVERRIDES

CHANGES_MAX: Final = 1000
"""Keys that one answer tells of at most. More take a second question."""


_DOCUMENTS: Final = ((HALTS, "halt"), (BANS, "ban"), (OVERRIDES, "override"))


def poll_query(clock_ms: ColumnElement[int]) -> CompoundSelect[Any]:
    """The question, with the parameter `since`. `clock_ms` is the database's clock, as a part of it."""
    since = bindparam("since", type_=BigInteger)
    keys = select(KEYS).where(KEYS.c.revision > since).limit(CHANGES_MAX + 1).subquery()
    no_head = (_absent(BigInteger(), "head"), _absent(BigInteger(), "clock_ms"))
    no_halt, no_ban, no_override = (_absent(Text(), name) for name in ("halt", "ban", "override"))
    no_key = tuple(_absent(column.type, column.name) for column in KEYS.c)
    head = select(HEAD.c.revision.label("head"), clock_ms.label("clock_ms"), no_halt, no_ban, no_override, *no_key)
    halt, ban, override = (table.c.document.label(name) for table, name in _DOCUMENTS)
    return head.union_all(
        select(*no_head, halt, no_ban, no_override, *no_key).where(HALTS.c.revision > since),
        select(*no_head, no_halt, ban, no_override, *no_key).where(BANS.c.revision > since),
        select(*no_head, no_halt, no_ban, override, *no_key).where(OVERRIDES.c.revision > since),
        select(*no_head, no_halt, no_ban, no_override, *keys.c),
    )


def poll_in(rows: Sequence[RowMapping], sealing: SealingKey) -> Poll | None:
    """The answer; None if more keys changed than it can tell of. Raises SealingError if one cannot be opened."""
    [head] = [row for row in rows if row["head"] is not None]
    changed = [row for row in rows if row["id"] is not None]
    if len(changed) > CHANGES_MAX:
        return None
    return Poll(
        revision=head["head"],
        changed=tuple(from_row(row, sealing) for row in changed),
        halts=tuple(halt_of(row["halt"]) for row in rows if row["halt"] is not None),
        bans=tuple(ban_of(row["ban"]) for row in rows if row["ban"] is not None),
        overrides=tuple(override_of(row["override"]) for row in rows if row["override"] is not None),
        clock_ms=head["clock_ms"],
    )


def _absent(type_: TypeEngine[Any], name: str) -> ColumnElement[Any]:
    """NULL in a column of this type: a database takes a bare NULL for text."""
    return cast(null(), type_).label(name)
