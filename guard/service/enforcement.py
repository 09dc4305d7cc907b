"""Is a change of keys in force on every node? Asked after its commit, and answered within a second.

Why it is right: whoever asks has seen the commit, so a node that is not in the table yet will read the change when it
enters (`state/nodes.py`). A node that has acknowledged the revision serves nothing older. One that has not may serve
what it knew for as long as its view is leased; the view is as old as a poll that was sent before the commit, so its
lease ends at the latest that long after the commit, whether or not the node still runs or reaches the database. A node
that has been silent for a minute beyond its lease has ended.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec

from guard.model.nodes import NodeStatus
from guard.state.faults import StateError

PATIENCE_MS: Final = 1000
"""How long is waited for an answer, whatever the database does."""

_ASK_EVERY_MS: Final = 25
_LEASE_MARGIN_MS: Final = 10
_DEAD_AFTER_MS: Final = 60_000


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """Every node has acknowledged the change, or can serve nothing older any more. `after_ms` counts from the commit;
    `expired` are the nodes that did not answer and whose lease has run out.
    """

    nodes: int
    after_ms: int
    expired: tuple[str, ...] = ()


class Silent(msgspec.Struct, frozen=True, kw_only=True):
    """A node that has not acknowledged the change, and may serve what it knew for so long after the commit."""

    node: str
    until_ms: int


class NotKnown(msgspec.Struct, frozen=True, kw_only=True):
    """The change is committed. `silent` may serve what they knew; `error` is why the nodes cannot be asked."""

    nodes: int
    after_ms: int
    silent: tuple[Silent, ...] = ()
    error: str | None = None


Force: TypeAlias = InForce | NotKnown


class ForceView(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a change is in force on every node, `after_ms` after its commit. `expired` nodes do not answer and refuse
    all keys; `silent` ones do not answer and may serve what they knew; `error` is why the nodes cannot be asked.
    """

    in_force: bool
    nodes: int
    after_ms: int
    expired: tuple[str, ...] = ()
    silent: tuple[Silent, ...] = ()
    error: str | None = None


def force_view(force: Force) -> ForceView:
    """The same for programs, in one form."""
    if isinstance(force, InForce):
        return ForceView(in_force=True, nodes=force.nodes, after_ms=force.after_ms, expired=force.expired)
    return ForceView(in_force=False, nodes=force.nodes, after_ms=force.after_ms, silent=force.silent, error=force.error)


class Enforcement:
    """Watches the nodes. `monotonic_ms` and `sleep` are this process's time; `on_in_force` hears how long it took."""

    def __init__(
        self,
        nodes: Callable[[], Awaitable[tuple[NodeStatus, ...]]],
        monotonic_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[object]],
        *,
        on_in_force: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._nodes = nodes
        self._monotonic_ms = monotonic_ms
        self._sleep = sleep
        self._on_in_force = on_in_force

    async def of(self, revision: int) -> Force:
        """Wait until the change that was committed as this revision is in force, or until patience ends."""
        committed_ms = self._monotonic_ms()
        nodes: tuple[NodeStatus, ...] = ()
        while True:
            error = None
            try:
                async with asyncio.timeout((committed_ms + PATIENCE_MS - self._monotonic_ms()) / 1000):
                    nodes = await self._nodes()
            except StateError as fault:
                error = str(fault)
            except TimeoutError:
                error = "the key database did not answer in time"
            after_ms = self._monotonic_ms() - committed_ms
            force = _force(nodes, revision, after_ms, error)
            if isinstance(force, InForce):
                self._on_in_force(after_ms)
                return force
            if after_ms + _ASK_EVERY_MS >= PATIENCE_MS:  # knockout: patience_ends
                return force
            await self._sleep(_ASK_EVERY_MS / 1000)


def _force(nodes: tuple[NodeStatus, ...], revision: int, after_ms: int, error: str | None) -> Force:
    alive = [each for each in nodes if each.silent_ms <= _DEAD_AFTER_MS + each.node.lease_ms]
    behind = [each for each in alive if each.revision < revision]
    silent = tuple(
        Silent(node=_name(each), until_ms=each.node.lease_ms)
        for each in behind
        if after_ms <= each.node.lease_ms + _LEASE_MARGIN_MS
    )
    if silent or (error is not None and not nodes):
        return NotKnown(nodes=len(alive), after_ms=after_ms, silent=silent, error=error)
    return InForce(nodes=len(alive), after_ms=after_ms, expired=tuple(map(_name, behind)))


def _name(status: NodeStatus) -> str:
    return f"{status.node.host}:{status.node.pid}"
