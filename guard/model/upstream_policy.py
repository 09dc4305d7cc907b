"""What stands behind a service, compiled: where its backend is, how it is reached, watched and waited for."""

from typing import Final

import msgspec

APP: Final = "app"
"""Where a backend's URL would stand: the application that guard is wrapped around is the backend."""


class UpstreamTls(msgspec.Struct, frozen=True, kw_only=True):
    """What TLS to a backend needs beside the defaults: PEM files with its authority (`ca` None: those that the system
    trusts) and our own certificate. `server_name` None: the host of the URL.
    """

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    server_name: str | None = None


class HealthPolicy(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What each endpoint is asked of itself, how often, and how many equal verdicts in a row are believed."""

    path: bytes
    every_ms: int
    timeout_ms: int
    healthy: int
    unhealthy: int


class BreakerPolicy(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Nothing is sent for `open_ms` when of at least `exchanges_min` in a window this share has failed."""

    failures_percent: int
    exchanges_min: int
    window_ms: int
    open_ms: int


class UpstreamPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The backend: http:// or https:// origins, any of which will do, and how long we wait (a route bounds the whole).

    `connections_max` and `waiting_max` are those of each origin. Or it is APP alone: then nothing else counts but
    `assertion`, which says that requests carry one.
    """

    urls: tuple[str, ...]
    connect_ms: int
    response_ms: int
    idle_ms: int
    connections_max: int
    waiting_max: int
    assertion: bool = False
    tls: UpstreamTls | None = None
    health: HealthPolicy | None = None
    breaker: BreakerPolicy | None = None
