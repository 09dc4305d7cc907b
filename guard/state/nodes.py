"""The nodes that serve the keys of a database: who they are, and which revision each has acknowledged.

Why it is right: a node stands here before it reads its first key, and until it serves no more. So whoever commits a
change and then looks here sees every node that may know the keys as they were before. A node acknowledges a revision
after its view has it and the connections of the keys it ended are cut. Its row goes only up, whatever order its
acknowledgements arrive in.
"""

from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, RowMapping, bindparam, case, delete, func, insert, select, update

from guard.model.names import UnixMs
from guard.model.nodes import Node, NodeStatus
from guard.state.database import Database
from guard.state.faults import StateError
from guard.state.sql_schema import NODES

DEADLINE_S = 2.0
DEAD_AFTER_MS = 60_000
"""A node that was silent for so long has ended without a word: it said each second that it lives."""

_ALONE_AFTER_MS = 5000
_FORGOTTEN_AFTER_MS = 24 * 3600 * 1000


class NotAloneError(StateError):
    """Another node serves on this database, and one of the two keeps its nonces in its own memory."""


class NodeTable:
    """The nodes of one database. Every method raises DatabaseError if it cannot be used.

    `now` is the caller's clock, which counts where the database is a file of the same machine.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        clock: ColumnElement[int] = func.coalesce(database.clock_ms, bindparam("now", type_=BigInteger))
        self._clock = clock
        self._all = select(NODES, clock.label("clock_ms")).order_by(NODES.c.started_at, NODES.c.id)
        known = bindparam("known", type_=BigInteger)
        self._beat = (
            update(NODES)
            .where(NODES.c.id == bindparam("node_id"))
            .values(
                seen_at=clock,
                revision=case((NODES.c.revision > known, NODES.c.revision), else_=known),
                clock_offset_ms=bindparam("offset_ms"),
            )
        )

    async def enter(self, node: Node, now: UnixMs) -> None:
        """Say that it is about to serve. Raises NotAloneError if it must not. Forgets who has been silent for a day."""
        async with self._database.writing() as connection:
            rows = (await connection.execute(self._all, {"now": now})).mappings().all()
            for other in map(_status, rows):
                if other.silent_ms < _ALONE_AFTER_MS and (node.alone or other.node.alone):  # knockout: alone
                    raise NotAloneError(_not_alone(other))
                if other.silent_ms > _FORGOTTEN_AFTER_MS:  # knockout: forgotten
                    await connection.execute(delete(NODES).where(NODES.c.id == other.node.id))
            await connection.execute(self._entry(), self._values(node, now))

    async def acknowledge(self, node: Node, revision: int, now: UnixMs, clock_offset_ms: int | None = None) -> None:
        """Say that it lives, and that nothing older than this revision is in force there."""
        said = {"node_id": node.id, "known": revision, "offset_ms": clock_offset_ms, "now": now}
        async with self._database.asking(DEADLINE_S) as connection:
            known = (await connection.execute(self._beat, said)).rowcount
        if not known:  # it was silent for a day, and is back
            async with self._database.asking(DEADLINE_S) as connection:
                await connection.execute(self._entry(), self._values(node, now))

    async def leave(self, node: Node) -> None:
        """Say that it serves no more."""
        async with self._database.asking(DEADLINE_S) as connection:
            await connection.execute(delete(NODES).where(NODES.c.id == node.id))

    async def all(self, now: UnixMs) -> tuple[NodeStatus, ...]:
        """Every node that has entered and not left, the oldest first."""
        async with self._database.asking(DEADLINE_S) as connection:
            return tuple(map(_status, (await connection.execute(self._all, {"now": now})).mappings().all()))

    def _entry(self) -> Any:
        return insert(NODES).values(
            **{name: bindparam(name) for name in Node.__struct_fields__}, seen_at=self._clock, revision=0
        )

    def _values(self, node: Node, now: UnixMs) -> dict[str, Any]:
        return {**msgspec.structs.asdict(node), "now": now}


def _status(row: RowMapping) -> NodeStatus:
    return NodeStatus(
        node=Node(**{name: row[name] for name in Node.__struct_fields__}),
        revision=row["revision"],
        silent_ms=max(0, row["clock_ms"] - row["seen_at"]),
        clock_offset_ms=row["clock_offset_ms"],
    )


def _not_alone(other: NodeStatus) -> str:
    return (
        f"another gateway serves the keys of this database (pid {other.node.pid} on {other.node.host}), and state in "
        "memory belongs to one process: give all of them one GUARD_STATE_URL, or this one a database of its own"
    )
