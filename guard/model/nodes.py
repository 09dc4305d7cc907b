"""A node: one process that serves, as the others see it in the key database."""

import msgspec

from guard.model.names import UnixMs


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """Who serves. `lease_ms` is how old its view of the keys may be while it serves them; `alone` says that its nonces
    are in its own memory, so that no other node may serve beside it (on a database in a file, a lock on the file says
    so). `started_at` is by its own clock.
    """

    id: str
    host: str
    listen: str
    pid: int
    version: str
    lease_ms: int
    alone: bool
    started_at: UnixMs


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A node, the revision that it has acknowledged, and how long it has been silent, by the database's clock.

    `clock_offset_ms` is how far its clock was ahead of the database's, None if that is not known.
    """

    node: Node
    revision: int
    silent_ms: int
    clock_offset_ms: int | None
