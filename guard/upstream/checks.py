"""Active checks of one endpoint: it is asked for a path, on a connection of its own each time, until this is cancelled.

2xx and 3xx say that it is well. Everything else speaks against it: another status, an answer too late or too large, no
connection at all.
"""

import asyncio
from collections.abc import Callable

from guard.model.upstream_policy import HealthPolicy
from guard.upstream.answer import UpstreamFailure
from guard.upstream.connection import Connection
from guard.upstream.origin import Origin

_WELL = range(200, 400)


async def check_for_ever(
    origin: Origin, policy: HealthPolicy, clock: Callable[[], int], verdict: Callable[[bool], None]
) -> None:
    """Ask every `policy.every_ms`, the first time at once, and tell each verdict."""
    while True:
        begun_ms = clock()
        verdict(await is_well(origin, policy, clock))
        await asyncio.sleep(max(begun_ms + policy.every_ms - clock(), 0) / 1000)


async def is_well(origin: Origin, policy: HealthPolicy, clock: Callable[[], int]) -> bool:
    """Whether the endpoint answers well, within `policy.timeout_ms` in all."""
    end_by_ms = clock() + policy.timeout_ms
    alone = _Alone()
    head = b"GET %b HTTP/1.1\r\nhost: %b\r\nuser-agent: guard-health\r\nconnection: close\r\n\r\n"
    try:
        connection = await origin.connect(alone, clock, idle_ms=policy.timeout_ms, patience_ms=policy.timeout_ms)
    except UpstreamFailure:
        return False
    try:
        asked = connection.ask(
            "GET", head % (policy.path, origin.authority), b"", respond_by_ms=end_by_ms, end_by_ms=end_by_ms
        )
        answer = await asked
    except UpstreamFailure:
        return False
    finally:
        connection.close()
    answer.abandon()
    return answer.status in _WELL


class _Alone:
    """The home of a connection that nobody shares."""

    def answered(self) -> None:
        """It says so itself."""

    def failed(self) -> None:
        """It says so itself."""

    def came_back(self, connection: Connection, *, clean: bool) -> None:
        """It is used once."""

    def gone(self, connection: Connection) -> None:
        """Nobody waits for that."""
