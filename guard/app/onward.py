"""Where goes what is let through: the backends of the policies, or the application that guard is wrapped around."""

import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog

from guard.app.assertion import open_assertion_key
from guard.edges.exchange import Onward
from guard.edges.forwarded import Backends
from guard.edges.wrapped import App, Wrapped
from guard.model.policy import APP
from guard.service.policies import Rulebook
from guard.settings import Settings
from guard.upstream.backend import Backend

_log = structlog.get_logger()


class Misplaced(Exception):  # noqa: N818  # a policy in the wrong program, not an error of ours
    """A policy names a backend where the application is one, or the other way round."""


def open_onward(settings: Settings, rules: Rulebook, app: App | None, stack: AsyncExitStack) -> Onward:
    """`app`, or the policies' backends, whose closing is left to `stack`; and the key for assertions, if any are due.

    Raises Misplaced, and KeyFileError if that key cannot be used.
    """
    services = rules.policies.services
    for service in services:
        if (service.upstream.urls == (APP,)) is (app is None):
            raise Misplaced(f"{service.rule.file}: {_FOR_AN_APP if app is None else _FOR_A_BACKEND}")
    key = open_assertion_key(settings) if any(service.upstream.assertion for service in services) else None
    return Backends(_backends(rules, stack), key) if app is None else Wrapped(app, key)


_FOR_AN_APP = "`upstream: app` is for GuardMiddleware; here it must name a backend"
_FOR_A_BACKEND = "behind GuardMiddleware the application is the backend: write `upstream: app`"


def _backends(rules: Rulebook, stack: AsyncExitStack) -> dict[str, Backend]:
    backends: dict[str, Backend] = {}
    for service in rules.policies.services:
        backend = backends[service.name] = Backend(service.upstream, _monotonic_ms, notice=_noticed(service.name))
        stack.push_async_callback(backend.aclose)
        backend.start()
    return backends


def _noticed(service: str) -> Callable[[str, str], None]:
    """Where a backend's turns for the worse or the better are logged."""
    return lambda event, url: _log.warning(event, service=service, url=url)


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000
