"""The smallest Allow that a backend can be asked with, and the policy of a pool to a port on this machine."""

import time
from typing import Any

from guard.core.stages import Allow, Identified, Verified
from guard.model.upstream_policy import UpstreamPolicy
from tests.build import NOW, facts, record, route, service


def allow(
    verb: str = "GET",
    path: bytes = b"/v1/time",
    *,
    reads: bool | None = None,
    total_ms: int = 5000,
    stranger: bool = False,
    **changes: Any,
) -> Allow:
    """A request of somebody with a key, or of a stranger. `changes` are fields of its Facts.

    `reads` is true of GET and HEAD unless given.
    """
    reading = verb in ("GET", "HEAD") if reads is None else reads
    return Allow(
        verified=Verified(
            identified=Identified(
                facts=facts(verb, path, **changes),
                service=service(),
                route=route(verb, "/v1/time", auth=None, reads=reading, total_ms=total_ms),
                address=facts().peer,
                auth=None,
                scheme=None,
                claim=None,
                window=None,
                remember_ms=0,
                at=NOW,
                readings=(),
                shadow=(),
            ),
            claim=None,
            record=None if stranger else record(),
            content=None,
            at=NOW,
            readings=(),
            shadow=(),
        ),
        admitted_at=NOW,
        readings=(),
        shadow=(),
    )


def upstream(port: int = 1, **changes: Any) -> UpstreamPolicy:
    """A backend on this machine, patient enough for a busy one."""
    fields: dict[str, Any] = {
        "urls": (f"http://127.0.0.1:{port}",),
        "connect_ms": 2000,
        "response_ms": 2000,
        "idle_ms": 4000,
        "connections_max": 8,
        "waiting_max": 8,
    }
    return UpstreamPolicy(**{**fields, **changes})


def monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000
