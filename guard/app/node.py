"""The servers that a node has once, whether it is one process or several: health and metrics, and the admin API; never
the data plane.

With several workers the supervisor opens them, else the one process that serves.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from guard.app.admin import administering
from guard.app.idle_keys import ending_idle_keys
from guard.app.listening import listening
from guard.edges.health import Health, Readiness
from guard.service.reloading import Reloading
from guard.settings import Settings
from guard.telemetry.exposition import exposition
from guard.telemetry.tally import Tally


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """What these servers need to know of the node."""

    readiness: Callable[[], Readiness]
    tally: Callable[[], Tally]
    reloading: Reloading


@asynccontextmanager
async def open_node(settings: Settings, node: Node) -> AsyncIterator[None]:
    """Serve them for the time of the block. Raises OSError if an address cannot be had, or as `administering`."""
    health = Health(node.readiness, lambda: exposition(node.tally()))
    async with (
        ending_idle_keys(settings),
        listening(health, settings.health_listen),
        administering(settings, node.reloading, health),
    ):
        yield
